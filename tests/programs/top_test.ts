/** client.ts top: who is on the bus, from a real broker and its web side. */
import assert from "node:assert/strict";
import { MessageServer, serveGateway } from "../../mod.ts";
import { PassiveMessageClient } from "../../client.ts";
import { overview, topLines } from "../../programs/top_screen.ts";
import type { Peer, Sample } from "../../programs/top_sample.ts";
import { soon, until } from "../support/deadline.ts";
import { run } from "../support/program.ts";
import { onTerminal } from "../support/pty.ts";
import { pythonPath } from "../support/python.ts";
import { RawPeer } from "../support/raw_peer.ts";

/** A broker with its web side, a client that both sends and listens, and a stranger whose message was refused. */
class Bus implements AsyncDisposable {
  readonly server = new MessageServer();
  readonly gateway = serveGateway(this.server, { port: 0, log: () => {} });
  readonly client = new PassiveMessageClient({ ...this.server.addresses, name: "viewer" });

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.gateway.close();
    await this.server.close();
  }
}

Deno.test("client.ts top prints who is here, rates and losses, and what was refused", async () => {
  await using bus = new Bus();
  await using stranger = await RawPeer.join(bus.server.receiveAddress, "PUSH");
  await stranger.send('["\u009b2J"]');
  await until(() => Object.keys(bus.server.stats().refused).length > 0, "the refusal");
  await soon(bus.client.ready);
  const flow = setInterval(() => bus.client.sendMessage({ type: "a" }), 10);
  try {
    const { code, stdout, stderr } = await run([
      "client.ts",
      "top",
      "--http",
      bus.gateway.url,
      "--every",
      "1",
    ]);

    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^\S{8} {2}http:\S+ {2}[1-9][\d.,]* messages\/s, /);
    assert.match(stdout, /^listen +viewer \(\d+\) +[1-9]/m);
    assert.match(stdout, /^send +viewer \(\d+\) +[1-9]/m);
    assert.match(stdout, /^send +127\.0\.0\.1:\d+ +0/m);
    assert.match(stdout, /refused \(not-an-object\) from 127\.0\.0\.1:\d+: "\[\\"\\u009b2J\\"\]"$/m);
  } finally {
    clearInterval(flow);
  }
});

Deno.test("client.ts top --json --count N prints so many lines of JSON, for scripts", async () => {
  await using bus = new Bus();
  await soon(bus.client.ready);
  const args = ["client.ts", "top", "--json", "--count", "2", "--every", "100ms", "--http", bus.gateway.url];
  const { code, stdout } = await run(args);
  assert.equal(code, 0);
  const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(lines.length, 2);
  assert.deepEqual(lines[1].rows.map(({ role }: Peer) => role).sort(), ["listen", "send"]);
});

const python = Deno.build.os === "windows" ? undefined : await pythonPath("socket");
Deno.test({
  name: `client.ts top on a terminal draws over what it drew, and gives the cursor back on Ctrl+C${
    python === undefined ? " (ignored: no Python that opens a terminal)" : ""
  }`,
  ignore: python === undefined,
  fn: async () => {
    await using bus = new Bus();
    await soon(bus.client.ready);
    const args = ["client.ts", "top", "--every", "0.1", "--http", bus.gateway.url];
    await using child = onTerminal(python!, 80, args);
    let screens = 0;
    while (screens < 2) {
      const line = await child.line();
      assert.ok(line !== undefined);
      if (line.includes("\x1b[H")) screens++;
      // deno-lint-ignore no-control-regex
      assert.ok(line.replace(/\x1b\[[?\d]*[a-zA-Z]/g, "").length <= 80, line);
    }
    await child.say("\x03");
    let rest = "";
    for (let line; (line = await child.line()) !== undefined;) rest += `${line}\n`;
    // deno-lint-ignore no-control-regex
    assert.match(rest, /\x1b\[\?25h\n$/);
    assert.equal(await child.ended(), 0);
  },
});

const WRONG: readonly (readonly [what: string, url: (bus: Bus) => string, said: RegExp])[] = [
  ["nothing answers", () => "6", /nothing answers there; start the broker with --http 8000/],
  ["it is no gateway", ({ server }) => new URL(server.broadcastAddress).port, /no web side of a broker/],
  ["the sandbox forbids it", () => "http://localhost.invalid:8000", /--allow-net=localhost\.invalid$/],
];
for (const [what, url, said] of WRONG) {
  Deno.test(`client.ts top says in one line that ${what}`, async () => {
    await using bus = new Bus();
    const { code, stdout, stderr } = await run(["client.ts", "top", "--http", url(bus)]);
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr.trimEnd(), said);
    assert.equal(stderr.split("\n").length, 2);
  });
}

Deno.test("client.ts top says that a gateway wants a token, takes it, and knows a gateway that cannot know", async () => {
  await using server = new MessageServer();
  const gateway = serveGateway(server, { port: 0, token: "secret-token-of-a-test", log: () => {} });
  await using client = new PassiveMessageClient({ serverBroadcast: server.broadcastAddress });
  const beside = serveGateway(client, { port: 0, log: () => {} });
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "secret-token-of-a-test\n");
    await Deno.chmod(file, 0o600);
    const args = ["client.ts", "top", "--every", "0.1", "--http"];
    const refused = await run([...args, gateway.url]);
    assert.match(
      refused.stderr,
      /^client\.ts: Cannot ask http:\S+: it wants a token, give --token-file F\n$/,
    );
    const read = { permission: `--allow-read=${file}` };
    const taken = await run(["--allow-net=127.0.0.1", ...args, gateway.url, "--token-file", file], read);
    assert.deepEqual([taken.code, taken.stderr], [0, ""]);
    const blind = await run([...args, beside.url]);
    assert.match(
      blind.stderr,
      /it does not know who is connected; ask the one that broker\.ts --http serves\n$/,
    );
  } finally {
    await Deno.remove(file);
    await beside.close();
    await gateway.close();
  }
});

function sample(at: number, peers: readonly Partial<Peer>[], counters: Record<string, number>): Sample {
  const peer: Peer = {
    ...{ role: "listen", address: "a:1", since: at, lastHeard: at, messages: 0, bytes: 0 },
    ...{ queued: 0, dropped: 0, waitedMs: 0 },
  };
  return { at, peers: peers.map((given) => ({ ...peer, ...given })), refusals: [], failed: [], counters };
}

Deno.test({
  name: "overview() counts what happened in between, and knows a broker that began anew",
  permissions: "none",
}, () => {
  const name = "broker_received_messages_total";
  const before = sample(0, [{ messages: 100, dropped: 1 }], { [name]: 1000 });
  const now = sample(2000, [{ messages: 300, dropped: 4 }, { address: "b:1", messages: 10 }], {
    [name]: 1500,
  });
  const { rate, rows } = overview(before, now);
  assert.equal(rate, 250);
  assert.deepEqual(rows.map(({ rate, lost }) => [rate, lost]), [[100, 3], [5, 0]]);
  assert.equal(overview(now, sample(3000, [{ messages: 1 }], { [name]: 1 })).rate, 0);
});

Deno.test(
  { name: "topLines() keeps to the screen, and marks who loses messages", permissions: "none" },
  () => {
    const peers = Array.from(
      { length: 50 },
      (_, i) => ({ address: `a:${i}`, name: `n${i}\x1b[2J`, messages: i }),
    );
    const now = sample(1000, peers.map((peer) => ({ ...peer, dropped: 5 })), {});
    const state = overview(sample(0, peers, {}), now);
    const lines = topLines("here", state, now, { columns: 50, colors: true }, 20, 2000);
    assert.ok(lines.length <= 21, String(lines.length));
    assert.equal(lines.at(-1), "… and 35 more");
    assert.ok(lines[5]!.startsWith("\x1b[31mlisten  n49\\u001b[2J"));
  },
);
