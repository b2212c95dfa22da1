/** `clients/r/bus.R` at a broker that is a process of its own, and is killed. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { MessageServer } from "../../broker.ts";
import { until } from "../support/deadline.ts";
import { Program, ROOT } from "../support/program.ts";
import { LineChild } from "../support/python.ts";
import { Relay } from "../support/relay.ts";

async function hasR(): Promise<boolean> {
  try {
    const command = new Deno.Command("Rscript", { args: ["-e", "library(jsonlite)"], stderr: "null" });
    return (await command.output()).success;
  } catch {
    return false;
  }
}

const ignore = !(await hasR());
const why = ignore ? " (ignored: no R with jsonlite on this machine)" : "";

interface Addresses {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
}

const HEAD = `
args <- commandArgs(TRUE)
source(args[1])
say <- function(...) { cat(..., "\\n", sep = ""); flush(stdout()) }
`;

/** Hears, sends what it is told between two messages, says its place. */
const TALKER = HEAD + `
input <- file("stdin", "r")
bus <- bus_connect(args[2], args[3], since = if (length(args) > 3) args[4] else "now", on_gap = function(missed) say("missed ", missed))
say("ready")
repeat {
  line <- readLines(input, 1)
  if (length(line) == 0 || line == "end") break
  if (line == "place") say(bus$place())
  else if (line == "hear") {
    message <- bus$receive(60)
    say("heard ", message$type, " ", message$n)
  } else bus$send(line)
}
bus$close()
`;

const MISTAKES = HEAD + `
tried <- function(what) tryCatch({ what; say("fine") }, error = function(error) say(conditionMessage(error)))
tried(bus_connect("tcp://127.0.0.1:1", args[3], timeout = 2))
tried(bus_connect(args[3], args[2], timeout = 2))
tried(bus_connect("localhost", args[3]))
tried(bus_connect(args[2], args[3], since = "yesterday"))
bus <- bus_connect(args[2], args[3])
if (is.null(bus$receive(0.2))) say("silence")
tried(bus$send(list(subject = 119)))
tried(bus$send("[1]"))
tried(bus$send("{'type': 'a'}"))
tried(bus$send(list(type = "a", missing = NA, sample = I(119))))
bus$close()
tried(bus$send(list(type = "a")))
tried(bus$receive(1))
`;

function program(code: string, { broadcastAddress, receiveAddress }: Addresses, ...rest: string[]) {
  const file = join(ROOT, "clients", "r", "bus.R");
  return new LineChild("Rscript", ["-e", code, file, broadcastAddress, receiveAddress, ...rest]);
}

/** What it says next when it is asked to hear. */
async function heard(child: LineChild): Promise<string | undefined> {
  await child.say("hear");
  return (await child.line())?.trimEnd();
}

Deno.test({
  name: `bus.R: two programs hear each other, and not themselves${why}`,
  ignore,
  fn: async () => {
    await using bus = new MessageServer();
    await using a = program(TALKER, bus);
    await using b = program(TALKER, bus);
    for (const one of [a, b]) assert.equal((await one.line())?.trimEnd(), "ready");
    for (let n = 0; n < 3; n++) {
      await a.say(`{"type":"from-a","n":${n}}`);
      assert.equal(await heard(b), `heard from-a ${n}`);
      await b.say(`{"type":"from-b","n":${n}}`);
      assert.equal(await heard(a), `heard from-b ${n}`);
    }
    await a.say("end");
    assert.equal(await a.ended(), 0);
  },
});

Deno.test({
  name: `bus.R: kill -9 of the broker and its return: both sides go on, and the gap is told${why}`,
  ignore,
  fn: async () => {
    const start = (broadcast = "0", receive = "0") =>
      new Program(["broker.ts", "--json", "--broadcast-port", broadcast, "--receive-port", receive]);
    const first = start();
    const addresses: Addresses = JSON.parse((await first.line())!);
    await using a = program(TALKER, addresses);
    await using b = program(TALKER, addresses);
    for (const one of [a, b]) assert.equal((await one.line())?.trimEnd(), "ready");
    await a.say('{"type":"n","n":1}');
    assert.equal(await heard(b), "heard n 1");
    {
      await using dying = first;
      dying.kill("SIGKILL");
    }
    const port = (address: string) => address.split(":").at(-1);
    await using second = start(port(addresses.broadcastAddress), port(addresses.receiveAddress));
    await second.line();
    await a.say('{"type":"n","n":2}');
    assert.equal(await heard(b), "missed NA");
    assert.equal((await b.line())?.trimEnd(), "heard n 2");
  },
});

Deno.test({
  name: `bus.R: a cut connection loses nothing that the window holds, and tells the number of the rest${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer({ history: { messages: 50 } });
    await using relay = new Relay(server.broadcastAddress);
    await using child = program(TALKER, {
      broadcastAddress: relay.address,
      receiveAddress: server.receiveAddress,
    });
    assert.equal((await child.line())?.trimEnd(), "ready");
    let n = 0;
    const say = (count: number) => {
      for (let i = 0; i < count; i++) server.sendMessage({ type: "n", n: ++n });
    };
    for (const down of [40, 130, 200, 300]) {
      relay.cutNow();
      relay.cutNext({ down });
      say(10);
      for (let i = n - 9; i <= n; i++) assert.equal(await heard(child), `heard n ${i}`);
    }
    relay.cutNow();
    say(70);
    assert.equal(await heard(child), "missed 20");
    assert.equal((await child.line())?.trimEnd(), `heard n ${n - 49}`);
    for (let i = n - 48; i <= n; i++) assert.equal(await heard(child), `heard n ${i}`);
  },
});

Deno.test({
  name: `bus.R: a program goes on behind its place in its next life${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    server.sendMessage({ type: "n", n: 1 });
    const place = `${server.feed.epoch}.1`;
    server.sendMessage({ type: "n", n: 2, text: "x".repeat(100_000) });
    await using child = program(TALKER, server, place);
    assert.equal((await child.line())?.trimEnd(), "ready");
    assert.equal(await heard(child), "heard n 2");
    await child.say("place");
    assert.equal((await child.line())?.trimEnd(), `${server.feed.epoch}.2`);
  },
});

Deno.test({
  name: `bus.R: a program that answered no heartbeat for long loses nothing${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer({ heartbeatMs: 200 });
    await using child = program(TALKER, server);
    assert.equal((await child.line())?.trimEnd(), "ready");
    // It waits for a line, and reads nothing.
    await until(() => server.stats().subscribers!.connections === 0, "the end of its connections");
    await until(() => server.connections().length === 0, "the end of its connections");
    const told = new Promise<string>((resolve) =>
      server.addEventListener("message", ({ text }) => resolve(text), { once: true })
    );
    server.sendMessage({ type: "n", n: 1 });
    await child.say('{"type":"sent","n":2}');
    assert.equal(await told, '{"type":"sent","n":2}');
    assert.equal(await heard(child), "heard n 1");
  },
});

Deno.test({
  name: `bus.R: each mistake is told in a line, and silence is NULL${why}`,
  ignore,
  fn: async () => {
    await using server = new MessageServer();
    await using child = program(MISTAKES, server);
    const told = Promise.withResolvers<unknown>();
    server.addEventListener("message", ({ message }) => told.resolve(message));
    for (
      const text of [
        /^No broker after 2 seconds: nobody listens at tcp:\/\/127\.0\.0\.1:1; is the broker running\?/,
        /^No broker after 2 seconds: .* are the two addresses swapped\?/,
        /^Cannot use address localhost: expected tcp:\/\/host:port/,
        /^Cannot use since yesterday: expected now, earliest, a duration such as 10m, or a place/,
        /^silence/,
        /^Cannot send message: it is no list with a text in type/,
        /^Cannot send message: it is no JSON object/,
        /^Cannot send message: it is no JSON$/,
        /^fine/,
        /^The bus is closed/,
        /^The bus is closed/,
      ]
    ) assert.match((await child.line())!.trimEnd(), text);
    assert.deepEqual(await told.promise, { type: "a", missing: null, sample: [119] });
    assert.equal(await child.ended(), 0);
  },
});
