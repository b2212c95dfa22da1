/** broker.ts --backbone as a real process, under exactly the permission that its documentation names. */
import assert from "node:assert/strict";
import { MessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { NatsOperator } from "../support/nats_credentials.ts";
import { freePort, hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { type Ended, Program, run } from "../support/program.ts";

const IGNORED = { ignore: !hasNatsServer };

/** Asks it to end. */
async function ended(program: Program): Promise<Ended> {
  program.kill("SIGTERM");
  return await program.ended();
}

interface Announced {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
  readonly http: string;
  readonly backbone: { readonly bus: string; readonly order: string; readonly instance: string };
}

async function startBroker(
  args: readonly string[],
  permissions: readonly string[] = [],
): Promise<{ program: Program; told: Announced }> {
  const ports = ["--broadcast-port=0", "--receive-port=0", "--http=0"];
  const program = new Program(["--cached-only", ...permissions, "broker.ts", "--json", ...ports, ...args]);
  return { program, told: JSON.parse((await program.line())!) };
}

async function status(
  told: Announced,
): Promise<Record<string, unknown> & { sites: Record<string, unknown>[] }> {
  return (await (await fetch(new URL("/broker", told.http))).json()).backbone;
}

async function untilState(told: Announced, state: string): Promise<void> {
  const end = performance.now() + 20_000;
  while ((await status(told)).state !== state) {
    assert.ok(performance.now() < end, `never ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test(
  "broker.ts --backbone joins with --allow-net=127.0.0.1 alone, tells its state, and ends by SIGTERM",
  IGNORED,
  async () => {
    await using nats = await NatsServer.start();
    const args = ["--backbone", nats.url, "--bus", "lab", "--backbone-hold", "1"];
    const { program: first, told: a } = await startBroker([...args, "--site", "a"]);
    await using _first = first;
    const { program: second, told: b } = await startBroker([...args, "--site", "b"]);
    await using _second = second;
    assert.equal(a.backbone.bus, "lab");
    assert.equal(a.backbone.order, "stream");
    await untilState(a, "joined");
    await untilState(b, "joined");
    await using speaker = new MessageClient({
      serverBroadcast: a.broadcastAddress,
      serverReceive: a.receiveAddress,
    });
    await using listener = new MessageClient({
      serverBroadcast: b.broadcastAddress,
      serverReceive: b.receiveAddress,
    });
    const heard: string[] = [];
    listener.addEventListener("message", ({ text }) => void heard.push(text));
    await soon(Promise.all([speaker.ready, listener.ready]));
    speaker.sendJsonMessage('{"type":"subject","subject":119}');
    await until(() => heard.length === 1);
    assert.deepEqual(heard, ['{"type":"subject","subject":119}']);
    const told = await status(b);
    assert.deepEqual(told.sites.map(({ name, messages, missed }) => ({ name, messages, missed })), [
      { name: "a", messages: 1, missed: 0 },
    ]);
    const metrics = await (await fetch(new URL("/metrics", b.http))).text();
    assert.match(metrics, /^braviz_backbone_state\{state="joined"\} 1$/m);
    assert.match(metrics, /^braviz_backbone_received_total 1$/m);
    assert.match(metrics, /^braviz_backbone_lag 0$/m);
    // Confirmed by its number once it has come back from the stream.
    const posted = await fetch(new URL("/messages?confirm=5", a.http), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"type":"x"}',
    });
    assert.equal(posted.status, 200, await posted.clone().text());
    await posted.body?.cancel();
    await nats.kill();
    await untilState(a, "island");
    const end = await ended(first);
    assert.equal(end.code, 0, end.stderr);
    assert.match(end.stderr, /joined the bus lab over NATS/);
    assert.match(end.stderr, /this site is an island/);
    assert.match(end.stderr, /Connection refused/);
  },
);

Deno.test(
  "broker.ts reads its credentials anew each time it dials: a .creds file that was replaced needs no new start",
  IGNORED,
  async () => {
    const jetstream = 'jetstream { store_dir: "DIR" }';
    const operators = [new NatsOperator(), new NatsOperator()];
    const [before, after] = operators.map(({ config }) => `${config}\n${jetstream}`);
    await using nats = await NatsServer.start({ config: before! });
    const file = `${nats.directory}/site.creds`;
    await Deno.writeTextFile(file, operators[0]!.creds(), { mode: 0o600 });
    const { program, told } = await startBroker(
      ["--backbone", nats.url, "--backbone-creds", file],
      [`--allow-read=${file}`],
    );
    await using _program = program;
    await untilState(told, "joined");
    await nats.kill();
    await Deno.writeTextFile(file, operators[1]!.creds());
    nats.configure(after!);
    await nats.empty();
    await nats.start();
    const isBack = async () => {
      const { state, counts } = await status(told);
      return state === "joined" && (counts as { connects: number }).connects > 1;
    };
    const end = performance.now() + 60_000;
    while (!await isBack()) assert.ok(performance.now() < end, "never joined again");
    const { code, stderr } = await ended(program);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /does not accept/);
    assert.doesNotMatch(stderr, /SU[A-Z2-7]{56}/);
  },
);

Deno.test("broker.ts --backbone ends when its NATS client is not to be had, and says how to get it", async () => {
  const folder = await Deno.makeTempDir();
  const program = new Program(
    [
      "--cached-only",
      "broker.ts",
      "--broadcast-port=0",
      "--receive-port=0",
      "--backbone",
      "nats://127.0.0.1",
    ],
    { env: { DENO_DIR: folder } },
  );
  await using _program = program;
  const { code, stderr } = await program.ended();
  assert.equal(code, 1, stderr);
  assert.match(stderr, /its NATS client cannot be loaded; run "deno cache npm:@nats-io\/nats-core@[\d.]+"/);
  await Deno.remove(folder, { recursive: true });
});

Deno.test(
  "broker.ts --backbone ends when the sandbox does not allow the server, and names the flag",
  IGNORED,
  async () => {
    const { code, stderr } = await run([
      "broker.ts",
      "--broadcast-port=0",
      "--receive-port=0",
      "--backbone",
      "tls://nats.example.org",
    ]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /--allow-net=nats\.example\.org/);
  },
);

for (
  const [name, args, expected] of [
    ["a password in the address", ["--backbone", "nats://me:secret@127.0.0.1"], /--backbone-creds/],
    ["a server far away without TLS", ["--backbone", "nats://10.0.0.1:4222"], /tls:\/\//],
    ["--bus without --backbone", ["--bus", "lab"], /goes with --backbone/],
    [
      "two identities",
      ["--backbone", "nats://127.0.0.1", "--backbone-nkey=a", "--backbone-creds=b"],
      /together/,
    ],
    ["an unknown order", ["--backbone", "nats://127.0.0.1", "--backbone-order", "both"], /stream or local/],
  ] as const
) {
  Deno.test(`broker.ts refuses ${name}, with status 2 and no secret`, async () => {
    const { code, stderr } = await run(["broker.ts", ...args]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, expected);
    assert.doesNotMatch(stderr, /secret/);
  });
}

Deno.test("broker.ts --backbone that finds nobody works on alone, and tells it once", async () => {
  const { program, told } = await startBroker([
    "--backbone",
    `nats://127.0.0.1:${freePort()}`,
    "--backbone-hold",
    "0",
  ]);
  await using _program = program;
  await untilState(told, "island");
  const posted = await fetch(new URL("/messages?confirm=5", told.http), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"type":"x"}',
  });
  assert.equal(posted.status, 200);
  await posted.body?.cancel();
  const { stderr } = await ended(program);
  assert.equal(stderr.match(/Cannot join/g)?.length, 1, stderr);
});
