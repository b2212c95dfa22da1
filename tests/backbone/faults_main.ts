/**
 * `deno task faults:nats`: what befalls NATS servers and sites, as long as it lasts out there; the tests have the short ones. All of it
 * once, about six minutes; `--only TEXT`: those with that in their name; `--minutes N --seed S`: by chance, for so long.
 */
// deno-lint-ignore-file no-console -- a program
import assert from "node:assert/strict";
import { MessageClient, PassiveMessageClient } from "../../client.ts";
import type { NatsBackboneOptions } from "../../backbone/mod.ts";
import { soon, until } from "../support/deadline.ts";
import { endAll, startCluster, startLeaves } from "../support/nats_cluster.ts";
import { NatsServer } from "../support/nats_server.ts";
import { LineChild } from "../support/python.ts";
import { assertCounts, closeAll, TestSite } from "../support/sites.ts";

const PAUSE = (seconds: number) => new Promise<void>((resolve) => setTimeout(resolve, 1000 * seconds));
const PING = { pingMs: 300 } as const;
const LONG_MS = 120_000;

/** What came of it, in a line. */
type Figures = string;

interface Fault {
  readonly name: string;
  readonly seconds: number;
  run(seconds: number): Promise<Figures>;
}

/** Both sites talk while it happens and a little longer; then nothing may be missing, twice, turned round, or wrongly counted. */
async function talk(
  sites: readonly TestSite[],
  options: NatsBackboneOptions,
  what: () => Promise<void>,
): Promise<Figures> {
  const isLocal = options.order === "local";
  let [said, paused, lastAt, before] = [0, 0, performance.now(), -1];
  const timer = setInterval(() => {
    for (const site of sites) site.say();
    said++;
    const confirmed = sites[0]!.counts.confirmed!;
    const now = performance.now();
    paused = Math.max(paused, now - lastAt);
    if (confirmed > before) lastAt = now;
    before = confirmed;
  }, 5);
  try {
    await until(() => said > 20);
    await what();
    for (const site of sites) await site.untilState("joined", LONG_MS);
    const then = said;
    await until(() => said > then + 20);
  } finally {
    clearInterval(timer);
  }
  await until(() => sites.every(({ counts }) => counts.queued === 0), "all to be confirmed", LONG_MS);
  // One more, so that whatever is missing is in front of something.
  for (const site of sites) site.say();
  said++;
  const last = (name: string) => `"site":"${name}","n":${said}}`;
  for (const site of sites) {
    for (const name of ["a", "b"]) {
      await until(() => site.heard.some((text) => text.endsWith(last(name))), `the last of ${name}`, LONG_MS);
    }
  }
  const [missed, islands] = [0, 0];
  const sums = { missed, islands, resent: 0, repeats: 0, outOfTurn: 0, consumers: 0 };
  for (const site of sites) {
    const counts = site.counts as Record<keyof typeof sums, number>;
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += counts[key];
    for (const name of ["a", "b"]) {
      const numbers = site.of(name).map((text): number => JSON.parse(text).n);
      const other = site !== sites[name === "a" ? 0 : 1];
      assert.ok(numbers.every((n, i) => i === 0 || n > numbers[i - 1]!), "heard twice, or turned round");
      const gap = said - numbers.length;
      assert.equal(gap, other && isLocal ? counts.missed : 0, "missing, or counted wrongly");
    }
  }
  if (!isLocal && sums.islands === 0) assert.deepEqual(sites[0]!.heard, sites[1]!.heard, "in another order");
  assertCounts(sites);
  const list = Object.entries(sums).filter(([, sum]) => sum > 0).map(([name, sum]) => `${name} ${sum}`);
  return `${said * sites.length} said, longest pause ${(paused / 1000).toFixed(1)} s, ${list.join(", ")}`;
}

/** One server, two sites. */
async function withServer(
  options: Omit<NatsBackboneOptions, "servers">,
  fault: (nats: NatsServer) => Promise<void>,
): Promise<Figures> {
  await using nats = await NatsServer.start();
  const all = { servers: nats.url, ...PING, ...options };
  const sites = await TestSite.joined(["a", "b"], all);
  const figures = await talk(sites, all, () => fault(nats));
  await closeAll(sites);
  return figures;
}

/** Three servers, two sites. */
async function withCluster(
  fault: (servers: readonly NatsServer[]) => Promise<void>,
): Promise<Figures> {
  const servers = await startCluster();
  const options = { servers: servers.map(({ url }) => url), replicas: 3, holdMs: Infinity, ...PING };
  const sites = await TestSite.joined(["a", "b"], options);
  const figures = await talk(sites, options, () => fault(servers));
  await closeAll(sites);
  await endAll(servers);
  return figures;
}

const kill = (seconds: number) => async (nats: NatsServer) => {
  await nats.kill();
  await PAUSE(seconds);
  await nats.start();
};
const stop = (seconds: number) => async (nats: NatsServer) => {
  nats.signal("SIGSTOP");
  await PAUSE(seconds);
  nats.signal("SIGCONT");
};

/** Each of the three in its turn: whoever leads is among them. */
const eachOfThree = (one: (nats: NatsServer) => Promise<void>) => async (servers: readonly NatsServer[]) => {
  for (const server of servers) await one(server);
};

async function slowSite(seconds: number): Promise<Figures> {
  await using nats = await NatsServer.start();
  const [a] = await TestSite.joined(["a"], { servers: nats.url, ...PING }) as [TestSite];
  const args = ["run", "--no-prompt", "--no-check", "--allow-net=127.0.0.1", "tests/backbone/slow_site.ts"];
  await using child = new LineChild(Deno.execPath(), [...args, nats.url]);
  assert.equal(await child.line(), "joined");
  child.kill("SIGSTOP");
  const end = performance.now() + 1000 * seconds;
  let [n, longest] = [0, 0];
  const filling = "x".repeat(1000);
  while (performance.now() < end) {
    const at = performance.now();
    for (let i = 0; i < 1000; i++) {
      a.server.sendJsonMessage(`{"type":"t","n":${++n},"filling":"${filling}"}`);
    }
    await a.untilHeard(n);
    longest = Math.max(longest, performance.now() - at);
    await PAUSE(0.2);
  }
  child.kill("SIGCONT");
  const start = performance.now();
  let line = "";
  while (!line.startsWith(`heard ${n} `)) line = (await child.line())!;
  const caughtUpMs = performance.now() - start;
  assert.equal(line, `heard ${n} in order, missed 0`);
  await closeAll([a]);
  return `${n} of 1 kB said, the other one waited ${
    Math.round(longest)
  } ms for 1000 at most; it caught up in ${(caughtUpMs / 1000).toFixed(1)} s`;
}

async function heldPause(seconds: number): Promise<Figures> {
  await using nats = await NatsServer.start();
  const [a] = await TestSite.joined(["a"], { servers: nats.url, holdMs: Infinity, ...PING }) as [TestSite];
  await using speaker = new MessageClient(a.server.addresses);
  await using listener = new MessageClient(a.server.addresses);
  await soon(Promise.all([speaker.ready, listener.ready]));
  const [own, heard]: [string[], string[]] = [[], []];
  speaker.addEventListener("message", ({ text }) => void own.push(text));
  listener.addEventListener("message", ({ text }) => void heard.push(text));
  nats.signal("SIGSTOP");
  for (let n = 1; n <= 100; n++) speaker.sendJsonMessage(`{"type":"late","n":${n}}`);
  await until(() => a.counts.queued === 100);
  await PAUSE(seconds);
  assert.equal(heard.length, 0);
  nats.signal("SIGCONT");
  await until(() => heard.length === 100, "what waited", LONG_MS);
  listener.sendJsonMessage('{"type":"after"}');
  await until(() => own.length > 0);
  assert.deepEqual(own, ['{"type":"after"}']);
  await closeAll([a]);
  return "100 messages waited, nobody heard its own";
}

async function burst(order: "stream" | "local", count: number): Promise<Figures> {
  await using nats = await NatsServer.start();
  const options = { servers: nats.url, order };
  const history = { history: { messages: 1_000_000, bytes: 1 << 28 } };
  const [a, b] = await TestSite.joined(["a", "b"], options, history) as [TestSite, TestSite];
  await using sender = new PassiveMessageClient({
    serverReceive: a.server.receiveAddress,
    sendQueue: { messages: count, bytes: 1 << 28 },
  });
  await soon(sender.ready);
  const rss = Deno.memoryUsage().rss;
  const start = performance.now();
  let [longest, most] = [0, rss];
  for (let n = 0; n < count; n++) sender.sendJsonMessage(`{"type":"t","n":${n}}`);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setInterval(() => {
    const { received, missed, queued } = b.counts;
    longest = Math.max(longest, a.counts.queued!);
    most = Math.max(most, Deno.memoryUsage().rss);
    if (a.heard.length === count && received! + missed! === count && queued === 0) resolve();
  }, 20);
  await soon(promise, "the end of the burst", LONG_MS).finally(() => clearInterval(timer));
  const seconds = (performance.now() - start) / 1000;
  const { dropped, missed } = { dropped: a.counts.dropped!, missed: b.counts.missed! };
  if (order === "stream") assert.deepEqual([a.heard.length, dropped, missed], [count, 0, 0]);
  assert.equal(missed, dropped);
  if (order === "stream") assert.deepEqual(a.heard, b.heard);
  assertCounts([a, b]);
  await closeAll([a, b]);
  return `${
    Math.round(count / seconds)
  } a second, ${longest} waited at most, dropped ${dropped}, missed ${missed}, ` +
    `${Math.round((most - rss) / 2 ** 20)} MiB more with both sites' histories`;
}

const FAULTS: readonly Fault[] = [
  ...[0.1, 1, 15].flatMap((seconds) => [
    {
      name: "stream: the server is killed",
      seconds,
      run: (s: number) => withServer({ holdMs: Infinity }, kill(s)),
    },
    {
      name: "local: the server is killed",
      seconds,
      run: (s: number) => withServer({ order: "local" }, kill(s)),
    },
  ]),
  ...[1, 5, 15].flatMap((seconds) => [
    {
      name: "stream: the server stands still",
      seconds,
      run: (s: number) => withServer({ holdMs: Infinity }, stop(s)),
    },
    {
      name: "local: the server stands still",
      seconds,
      run: (s: number) => withServer({ order: "local" }, stop(s)),
    },
  ]),
  { name: "stream, holds 10 s: the server is killed", seconds: 15, run: (s) => withServer({}, kill(s)) },
  { name: "stream, holds 10 s: the server stands still", seconds: 15, run: (s) => withServer({}, stop(s)) },
  {
    name: "stream: three servers, each killed in its turn",
    seconds: 10,
    run: (s) => withCluster(eachOfThree(kill(s))),
  },
  {
    name: "stream: three servers, each stands still in its turn",
    seconds: 15,
    run: (s) => withCluster(eachOfThree(stop(s))),
  },
  {
    name: "stream: two of three servers are killed",
    seconds: 15,
    run: (s) => withCluster(async ([, ...two]) => void await Promise.all(two.map(kill(s)))),
  },
  {
    name: "stream: all three servers are killed",
    seconds: 15,
    run: (s) => withCluster(async (all) => void await Promise.all(all.map(kill(s)))),
  },
  {
    name: "stream: the hub behind two leaves is killed",
    seconds: 15,
    async run(seconds) {
      const { hub, leaves } = await startLeaves(2);
      const options = { domain: "hub", holdMs: Infinity, ...PING };
      const sites = [
        ...await TestSite.joined(["a"], { servers: leaves[0]!.url, ...options }),
        ...await TestSite.joined(["b"], { servers: leaves[1]!.url, ...options }),
      ];
      const figures = await talk(sites, { servers: "", ...options }, () => kill(seconds)(hub));
      await closeAll(sites);
      await endAll([hub, ...leaves]);
      return figures;
    },
  },
  { name: "stream: a held pause", seconds: 8, run: heldPause },
  { name: "stream: a site stands still", seconds: 15, run: slowSite },
  { name: "stream: a burst of 200,000 messages", seconds: 0, run: () => burst("stream", 200_000) },
  { name: "local: a burst of 200,000 messages", seconds: 0, run: () => burst("local", 200_000) },
];

function valueOf(name: string): string | undefined {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? undefined : Deno.args[at + 1];
}

let failed = 0;

async function run({ name, run }: Fault, seconds: number): Promise<void> {
  const title = seconds === 0 ? name : `${name}, ${Number(seconds.toFixed(1))} s`;
  try {
    console.log(`ok      ${title}: ${await run(seconds)}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${title}: ${error instanceof Error ? error.stack : error}`);
  }
}

const only = valueOf("only") ?? "";
const chosen = FAULTS.filter(({ name }) => name.includes(only));
const minutes = Number(valueOf("minutes") ?? 0);
if (minutes > 0) {
  let state = Number(valueOf("seed") ?? 1 + Math.floor(Math.random() * 1e9)) >>> 0;
  console.log(`seed ${state}`);
  const random = () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  const end = performance.now() + 60_000 * minutes;
  while (performance.now() < end) {
    const fault = chosen[Math.floor(random() * chosen.length)]!;
    await run(fault, fault.seconds * random());
  }
} else {
  for (const fault of chosen) await run(fault, fault.seconds);
}
console.log(failed === 0 ? "all is well" : `${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);
