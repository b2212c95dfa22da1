/** `clients/python/bus.py` at a broker that is a process of its own, and is killed. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { until } from "../support/deadline.ts";
import { Program, run } from "../support/program.ts";
import { LineChild, pythonPath } from "../support/python.ts";
import { Relay } from "../support/relay.ts";
import {
  FOREIGN_BROKER,
  LOOPS,
  MEMBER,
  MISTAKES,
  OLD_CLIENTS,
  QT_PROGRAM,
  SENDER,
  TALKER,
} from "./python_programs.ts";

const python = await pythonPath("zmq");
const why = python === undefined ? " (ignored: no Python with pyzmq on this machine)" : "";
const ignore = python === undefined;

const hasQt = python !== undefined &&
  (await new Deno.Command(python, { args: ["-c", "import PyQt5.QtCore"], stderr: "null" }).output()).success;

interface Addresses {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
}

function program(code: string, { broadcastAddress, receiveAddress }: Addresses, ...rest: string[]) {
  return new LineChild(python!, ["-c", code, broadcastAddress, receiveAddress, ...rest]);
}

/** A broker as a process; with addresses, one in the place of an earlier one. */
async function broker(earlier?: Addresses): Promise<Addresses & { readonly process: Program }> {
  const port = (address = ":0") => address.split(":").at(-1)!;
  const process = new Program([
    ...["broker.ts", "--json", "--broadcast-port", port(earlier?.broadcastAddress)],
    ...["--receive-port", port(earlier?.receiveAddress)],
  ]);
  const { broadcastAddress, receiveAddress } = JSON.parse((await process.line())!);
  return { broadcastAddress, receiveAddress, process };
}

Deno.test({
  name: `bus.py: two programs hear each other, and not themselves${why}`,
  ignore,
  fn: async () => {
    const bus = await broker();
    await using _ = bus.process;
    await using a = program(TALKER, bus);
    await using b = program(TALKER, bus);
    for (const one of [a, b]) assert.equal(await one.line(), "ready");
    for (let n = 0; n < 3; n++) {
      await a.say(`send {"type":"from-a","n":${n}}`);
      assert.equal(await b.line(), `heard from-a ${n}`);
      await b.say(`send {"type":"from-b","n":${n}}`);
      assert.equal(await a.line(), `heard from-b ${n}`);
    }
    await a.say("end");
    assert.equal(await a.ended(), 0);
  },
});

Deno.test({
  name:
    `bus.py: kill -9 of the broker and its return: what was sent meanwhile arrives, and the gap is told${why}`,
  ignore,
  fn: async () => {
    const first = await broker();
    await using a = program(TALKER, first);
    await using b = program(TALKER, first);
    for (const one of [a, b]) assert.equal(await one.line(), "ready");
    await a.say('send {"type":"n","n":1}');
    assert.equal(await b.line(), "heard n 1");
    {
      await using dying = first.process;
      dying.kill("SIGKILL");
    }
    await using _ = (await broker(first)).process;
    assert.equal(await a.line(), "missed None");
    assert.equal(await b.line(), "missed None");
    await a.say('send {"type":"n","n":2}');
    assert.equal(await b.line(), "heard n 2");
  },
});

Deno.test({
  name:
    `bus.py: a cut connection loses nothing that the window holds, and tells the number of the rest${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer({ history: { messages: 50 } });
    await using relay = new Relay(server.broadcastAddress);
    await using child = program(TALKER, {
      broadcastAddress: relay.address,
      receiveAddress: server.receiveAddress,
    });
    assert.equal(await child.line(), "ready");
    let n = 0;
    const say = (count: number) => {
      for (let i = 0; i < count; i++) server.sendMessage({ type: "n", n: ++n });
    };
    for (const down of [40, 130, 200, 300]) {
      relay.cutNow();
      relay.cutNext({ down });
      say(10);
      for (let i = n - 9; i <= n; i++) assert.equal(await child.line(), `heard n ${i}`);
    }
    relay.isClosed = true;
    relay.cutNow();
    say(70);
    relay.isClosed = false;
    assert.equal(await child.line(), "missed 20");
    for (let i = n - 49; i <= n; i++) assert.equal(await child.line(), `heard n ${i}`);
  },
});

Deno.test({
  name: `bus.py: a program that was killed goes on behind its place in its next life${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    let place: string;
    {
      await using child = program(TALKER, server);
      assert.equal(await child.line(), "ready");
      server.sendMessage({ type: "n", n: 1 });
      assert.equal(await child.line(), "heard n 1");
      await child.say("place");
      place = (await child.line())!;
      assert.equal(place, `${server.feed.epoch}.1`);
      child.kill("SIGKILL");
      await child.ended();
    }
    for (const n of [2, 3]) server.sendMessage({ type: "n", n });
    await using child = program(TALKER, server, place);
    const lines = [await child.line(), await child.line(), await child.line()];
    assert.deepEqual(lines.filter((line) => line !== "ready"), ["heard n 2", "heard n 3"]);
  },
});

Deno.test({
  name: `bus.py: a program that is stopped is told exactly how much it missed${why}`,
  ignore: ignore || Deno.build.os === "windows",
  fn: async () => {
    await using server = new MessageServer({ subscriberQueue: { messages: 1000 } });
    await using child = program(TALKER, server);
    assert.equal(await child.line(), "ready");
    child.kill("SIGSTOP");
    const text = "x".repeat(10_000);
    const count = 4000;
    for (let n = 1; n <= count; n++) server.sendMessage({ type: "n", n, text });
    child.kill("SIGCONT");
    let next = 1;
    let gaps = 0;
    while (next <= count) {
      const line = (await child.line())!;
      if (line.startsWith("missed")) {
        next += Number(line.split(" ")[1]);
        gaps++;
      } else {
        assert.equal(line, `heard n ${next}`);
        next++;
      }
    }
    assert.equal(next, count + 1);
    assert.ok(gaps > 0);
  },
});

Deno.test({
  name: `bus.py: a program that ends at once has sent everything${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    await using child = program(SENDER, server);
    assert.equal(await child.ended(), 0);
    await until(() => server.stats().received === 1000, "its thousand messages");
  },
});

Deno.test({
  name: `bus.py: each mistake has its code, and none takes for ever${why}`,
  ignore,
  fn: async () => {
    // Nobody listens there.
    const nowhere = { broadcastAddress: "tcp://127.0.0.1:1", receiveAddress: "tcp://127.0.0.1:1" };
    await using child = program(MISTAKES, nowhere);
    const codes = [
      ...["not-an-object", "missing-type", "not-json", "not-json", "not-json", "too-large", "bad-option"],
      ...["bad-option", "no-broker", "queue-full", "bounded", "closed", "closed"],
    ];
    for (const code of codes) assert.equal(await child.line(), code);
    assert.equal(await child.ended(), 0);
  },
});

Deno.test({
  name: `bus.py: loops, also of asyncio, get what comes from their beginning on${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    await using child = program(LOOPS, server);
    assert.equal(await child.line(), "ready");
    for (const text of ['{"type":"n", "n":1}', '{"type":"other"}', '{"type":"stop"}']) {
      server.sendJsonMessage(text);
    }
    assert.equal(await child.line(), 'loop n {"type":"n", "n":1} True');
    assert.equal(await child.line(), 'loop stop {"type":"stop"} True');
    assert.equal(await child.line(), "silence []");
    assert.equal(await child.line(), "ready");
    server.sendMessage({ type: "n", n: 2 });
    server.sendMessage({ type: "stop" });
    assert.equal(await child.line(), 'async {"type":"n","n":2}');
    assert.equal(await child.line(), 'async {"type":"stop"}');
    assert.equal(await child.ended(), 0);
  },
});

Deno.test({
  name: `bus.py: a program of the original's style, with signals of PyQt, needs another import only${
    hasQt ? "" : " (ignored: no PyQt5 on this machine)"
  }`,
  ignore: !hasQt,
  fn: async () => {
    await using server = new MessageServer();
    await using child = program(QT_PROGRAM, server);
    assert.equal(await child.line(), `connected to ${server.broadcastAddress}`);
    await until(() => server.stats().subscribers!.connections === 1, "its subscription");
    const answered = Promise.withResolvers<unknown>();
    server.addEventListener("message", ({ message }) => {
      if (message.type === "variables") answered.resolve(message);
    });
    await until(() => server.stats().subscribers!.subscribers.some(({ topics }) => topics > 0));
    server.sendMessage({ type: "subject", subject: 119 });
    assert.equal(await child.line(), "subject 119");
    assert.deepEqual(await answered.promise, { type: "variables", variables: ["AGE", "119"] });
    server.sendMessage({ type: "reload", target: 1, scenario: {} });
    assert.equal(await child.line(), "other reload");
    server.sendMessage({ type: "stop" });
    assert.equal(await child.ended(), 0);
  },
});

Deno.test({
  name: `bus.py: the other clients of the original do what they did${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    await using child = program(OLD_CLIENTS, server);
    assert.equal(await child.line(), "before 0 {}");
    const lines = [await child.line(), await child.line()].sort();
    assert.deepEqual(lines, ["handled own", "last 1 {'type': 'own', 'values': [1, 2]}"]);
    await child.say("end");
    assert.equal(await child.ended(), 0);
  },
});

Deno.test({
  name: `bus.py: with a broker that numbers nothing, a cut is a gap of unknown size${why}`,
  ignore,
  fn: async () => {
    const start = (...addresses: string[]) => new LineChild(python!, ["-c", FOREIGN_BROKER, ...addresses]);
    let addresses: string[];
    const first = start();
    {
      await using dying = first;
      addresses = (await dying.line())!.split(" ");
      const [broadcastAddress, receiveAddress] = addresses as [string, string];
      await using a = program(TALKER, { broadcastAddress, receiveAddress });
      await using b = program(TALKER, { broadcastAddress, receiveAddress });
      for (const one of [a, b]) assert.equal(await one.line(), "ready");
      await a.say('send {"type":"n","n":1}');
      assert.equal(await b.line(), "heard n 1");
      dying.kill("SIGKILL");
      await dying.ended();
      await using second = start(...addresses);
      await second.line();
      // Who speaks too early is not heard; the first one that is heard tells the gap.
      const flow = setInterval(() => a.say('send {"type":"n","n":2}'), 100);
      const line = await b.line().finally(() => clearInterval(flow));
      assert.equal(line, "missed None");
      assert.equal(await b.line(), "heard n 2");
    }
  },
});

Deno.test({
  name: `bus.py: a member with a key file joins a broker with keys, and nobody else does${why}`,
  ignore,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const keys = `${folder}/keys`;
      const made = await run(["broker.ts", "--curve-keygen", keys, "--member", "alice"], {
        permission: `--allow-write=${keys}`,
      });
      assert.equal(made.code, 0, made.stderr);
      await using broker = new Program([
        ...[`--allow-read=${keys}`, "broker.ts", "--json", "--curve-secret-file", `${keys}/broker.key`],
        ...["--allow-keys", `${keys}/members.txt`],
      ]);
      await using child = program(MEMBER, JSON.parse((await broker.line())!), `${keys}/alice.key`);
      assert.equal(await child.line(), "heard ë");
      assert.equal(await child.line(), "no-broker True");
      assert.equal(await child.ended(), 0);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
