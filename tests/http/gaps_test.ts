/**
 * Every hole is told, with its number where somebody can know it: over a gateway in the process of the broker, and over one
 * beside it, whose connection is cut and whose broker is restarted.
 */
import assert from "node:assert/strict";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { serveGateway } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { LibzmqPub, send } from "../support/libzmq.ts";
import { quiet } from "./support/bus.ts";
import { Child } from "./support/child.ts";
import { Relay } from "./support/relay.ts";
import { type StreamEvent, StreamReader } from "./support/stream_reader.ts";

const PYTHON = "/usr/bin/python3";
const FLOOD = 60_000;
/** Held by the broker. */
const HELD = 20_000;
/** A sender that never waits: it asks nobody how much may be on its way. */
const FLOOD_PROGRAM = `
import sys, zmq
context = zmq.Context()
push = context.socket(zmq.PUSH)
push.setsockopt(zmq.SNDHWM, 0)
push.connect(sys.argv[1])
padding = "x" * 60
for n in range(1, int(sys.argv[2]) + 1): push.send_string('{"type":"flood","n":%d,"p":"%s"}' % (n, padding))
push.close(linger=-1)
context.term() # or Python may end before all has left
`;

interface Page {
  readonly messages: readonly {
    readonly seq: number;
    readonly cursor: string;
    readonly message: { readonly n: number };
  }[];
  readonly cursor: string;
  readonly missed: number | null;
  readonly more: boolean;
}

const page = async (url: string, query: string): Promise<Page> =>
  await (await soon(fetch(`${url}/messages/history?${query}`), "a page of the history")).json();

/** What a strict reader hears: the status, and how many are missing. */
async function strict(url: string, since: string): Promise<readonly [number, number | null | undefined]> {
  const response = await fetch(`${url}/messages/history?strict=1&since=${since}`);
  return [response.status, (await response.json()).missed];
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)![1]);
}

async function cursorNow(url: string): Promise<string> {
  const response = await fetch(`${url}/messages/longpoll?since=now&timeout=0`);
  return response.headers.get("message-cursor")!;
}

/**
 * Reads the stream up to the number, as a browser does: when it was too slow and is cut, it goes on from its last id. Says what
 * it heard and what it was told to have missed.
 */
async function readStream(url: string, since: string): Promise<{ heard: number; missed: number }> {
  let [heard, missed, id] = [0, 0, since];
  while (heard + missed < FLOOD) {
    await using reader = new StreamReader(
      await fetch(`${url}/messages/stream`, { headers: { "last-event-id": id } }),
    );
    for (let event; (event = await soon(reader.next(), "an event", 30_000)) !== undefined;) {
      id = event.id!;
      if (event.event === "gap") missed += JSON.parse(event.data).missed;
      if (event.event !== "message") continue;
      heard += 1;
      assert.equal(
        JSON.parse(event.data).n,
        heard + missed,
        "what is missing is told before what comes next",
      );
      if (heard + missed === FLOOD) break;
    }
  }
  return { heard, missed };
}

/** Reads everything behind a cursor, page by page. */
async function readHistory(url: string, since: string): Promise<{ heard: number; missed: number }> {
  let [heard, missed, cursor] = [0, 0, since];
  for (let more = true; more;) {
    const next = await page(url, `since=${cursor}&limit=1000`);
    heard += next.messages.length;
    missed += next.missed!;
    const last = next.messages.at(-1);
    if (last !== undefined) assert.equal(last.message.n, heard + missed);
    ({ cursor, more } = next);
  }
  return { heard, missed };
}

async function flood(receiveAddress: string): Promise<void> {
  const { code, stderr } = await soon(
    new Deno.Command(PYTHON, { args: ["-c", FLOOD_PROGRAM, receiveAddress, String(FLOOD)] }).output(),
    "the end of the flood",
    60_000,
  );
  assert.equal(code, 0, new TextDecoder().decode(stderr));
}

const hasPython = await new Deno.Command(PYTHON, { args: ["-c", "import zmq"] }).output()
  .then(({ success }) => success, () => false);

for (const processes of [1, 2]) {
  Deno.test({
    name: `a flood: what is heard and what is told to be missing are everything (${processes} processes)`,
    ignore: !hasPython,
    fn: async () => {
      await using broker = Child.deno(["--allow-net=127.0.0.1"], "broker.ts", [
        ...["--history", String(HELD)],
        ...["--http", "0", "--json"],
      ]);
      const { broadcastAddress, receiveAddress, http } = JSON.parse((await broker.line())!);
      await using beside = processes === 1 ? undefined : Child.deno(
        ["--allow-net=127.0.0.1"],
        "http.ts",
        [
          "--broadcast",
          broadcastAddress,
          "--receive",
          receiveAddress,
          "--port",
          "0",
          "--history",
          "2000",
          "--json",
        ],
      );
      const url: string = beside === undefined ? http : JSON.parse((await beside.line())!).http;
      while (
        !(await fetch(`${url}/readyz`).then(async (response) => [await response.text(), response.ok]))[1]
      );
      const start = await cursorNow(url);

      const reading = readStream(url, start);
      await flood(receiveAddress);
      const streamed = await reading;
      assert.equal(streamed.heard + streamed.missed, FLOOD);

      const held = await readHistory(url, start);
      assert.equal(held.heard + held.missed, FLOOD);
      assert.deepEqual(await strict(url, start), [410, held.missed]);
      const poll = await fetch(`${url}/messages/longpoll?since=${start}`);
      await poll.body?.cancel();
      assert.equal(poll.headers.get("message-missed"), String(held.missed));

      const received = await metric(url, "braviz_bus_messages_received_total");
      assert.equal(received + await metric(url, "braviz_bus_missed_messages_total"), FLOOD);
      if (processes === 1) {
        assert.equal(received, FLOOD, "nothing is lost on the way to a gateway in the same process");
        assert.equal(held.missed, FLOOD - HELD, "what is no longer held, and not one more");
      }
    },
  });
}

Deno.test("the broker restarts with its gateway: places of its former life are told as such (1 process)", async () => {
  const start = () => Child.deno(["--allow-net=127.0.0.1"], "broker.ts", ["--http", "0", "--json"]);
  const post = (url: string, n: number) =>
    fetch(`${url}/messages?confirm=5`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"n":${n}}`,
    }).then((response) => response.json());
  let place: string;
  {
    await using first = start();
    const { http } = JSON.parse((await first.line())!);
    for (let n = 1; n <= 3; n += 1) ({ cursor: place } = await post(http, n));
  }
  await using second = start();
  const { http } = JSON.parse((await second.line())!);
  await post(http, 1);
  const { messages, missed } = await page(http, `since=${place!}`);
  assert.deepEqual([messages.map(({ seq }) => seq), missed], [[1], null]);
  assert.deepEqual(await strict(http, place!), [410, null]);
  const poll = await fetch(`${http}/messages/longpoll?since=${place!}`);
  await poll.body?.cancel();
  assert.equal(poll.headers.get("message-missed"), "unknown");
  await using reader = new StreamReader(
    await fetch(`${http}/messages/stream`, { headers: { "last-event-id": place! } }),
  );
  const events = [await reader.next(), await reader.next(), await reader.next()];
  assert.deepEqual(events.map((event) => event?.event), ["open", "gap", "message"]);
  assert.equal(JSON.parse(events[1]!.data).missed, null);
});

Deno.test("the gateway restarts: a place that it gave is good at the next one, and at the broker's own", async () => {
  await using broker = new MessageServer();
  await using own = serveGateway(broker, { port: 0, ...quiet });
  const places: string[] = [];
  for (let life = 1; life <= 2; life += 1) {
    await using beside = await startBeside(broker);
    sendMany(broker, 3 * life - 2, 3 * life);
    await until(() => broker.feed.seq === 3 * life);
    for (const url of [beside.url, own.url]) {
      for (const [n, place] of places.entries()) {
        const { messages, missed } = await page(url, `since=${place}&timeout=5`);
        assert.deepEqual([messages[0]!.message.n, missed], [n + 2, 0]);
      }
    }
    const { messages } = await page(beside.url, "since=earliest&timeout=5");
    places.push(...messages.slice(places.length).map(({ cursor }) => cursor));
  }
  assert.ok(places.length >= 3);
});

/** `http.ts` as a process beside a broker in this one, behind a wire that can be cut. */
interface Beside extends AsyncDisposable {
  readonly relay: Relay;
  readonly url: string;
}

async function startBeside({ broadcastAddress, receiveAddress }: MessageServer): Promise<Beside> {
  await using stack = new AsyncDisposableStack();
  const relay = stack.use(new Relay(broadcastAddress));
  const program = stack.use(
    Child.deno(["--allow-net=127.0.0.1"], "http.ts", [
      ...["--broadcast", relay.address, "--receive", receiveAddress],
      ...["--port", "0", "--json"],
    ]),
  );
  const { http: url } = JSON.parse((await program.line())!);
  while (!(await fetch(`${url}/readyz`).then(async (response) => [await response.text(), response.ok]))[1]);
  const moved = stack.move();
  return { relay, url, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

const sendMany = (broker: MessageServer, from: number, to: number) => {
  for (let n = from; n <= to; n += 1) broker.sendMessage({ type: "n", n });
};

const listeners = (broker: MessageServer) => broker.stats().subscribers!.connections;

async function eventsUpTo(reader: StreamReader, n: number): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  while (true) {
    const event = await soon(reader.next(), `message ${n}`);
    assert.ok(event, "the stream goes on");
    events.push(event);
    if (event.event === "message" && JSON.parse(event.data).n === n) return events;
  }
}

/** The connection of the gateway is cut while 100 messages pass. */
async function cutWhileMessagesPass(
  history: MessageServerOptions["history"],
  run: (
    world: { readonly url: string; readonly place: string; readonly reader: StreamReader },
  ) => Promise<void>,
): Promise<void> {
  await using broker = new MessageServer(history === undefined ? {} : { history });
  await using beside = await startBeside(broker);
  const { relay, url } = beside;
  await using reader = new StreamReader(await fetch(`${url}/messages/stream`));
  sendMany(broker, 1, 5);
  await eventsUpTo(reader, 5);
  const place = await cursorNow(url);
  relay.cut();
  await until(() => listeners(broker) === 0, "the cut to be noticed");
  sendMany(broker, 6, 105);
  relay.mend();
  await run({ url, place, reader });
}

Deno.test("a cut connection: what the broker still holds is missed by nobody (2 processes)", async () => {
  await cutWhileMessagesPass(undefined, async ({ url, place, reader }) => {
    const events = await eventsUpTo(reader, 105);
    assert.deepEqual(events.map(({ event }) => event), Array.from({ length: 100 }, () => "message"));
    const { messages, missed } = await page(url, `since=${place}&strict=1`);
    assert.deepEqual([messages.length, missed], [100, 0]);
    assert.equal(await metric(url, "braviz_bus_gaps_total"), 0);
  });
});

Deno.test("a cut connection: what the broker no longer holds is told with its number (2 processes)", async () => {
  await cutWhileMessagesPass({ messages: 10 }, async ({ url, place, reader }) => {
    const events = await eventsUpTo(reader, 105);
    assert.deepEqual(
      events.map(({ event }) => event),
      ["gap", ...Array.from({ length: 10 }, () => "message")],
    );
    const gap = JSON.parse(events[0]!.data);
    assert.deepEqual([gap.missed, gap.reason, gap.cursor], [90, "expired", events[0]!.id]);
    const { messages, missed } = await page(url, `since=${place}`);
    assert.deepEqual([messages[0]!.message.n, messages.length, missed], [96, 10, 90]);
    assert.deepEqual(await strict(url, place), [410, 90]);
    // From in front of what came before the cut, the gap is told in its place.
    const all = await page(url, "since=earliest");
    assert.deepEqual([all.messages.length, all.missed, all.more], [5, 0, true]);
    assert.equal((await page(url, `since=${all.cursor}`)).missed, 90);
    assert.equal(await metric(url, "braviz_bus_gaps_total"), 1);
    assert.equal(await metric(url, "braviz_bus_missed_messages_total"), 90);
    const behind = await fetch(`${url}/messages/history?strict=1&since=${gap.cursor}`);
    assert.equal((await behind.json()).missed, 0, "who goes on behind the gap is not told of it again");
  });
});

Deno.test("the broker restarts: what was missed is unknown, and told in its place (2 processes)", async () => {
  const first = new MessageServer();
  const ports = {
    broadcastPort: Number(new URL(first.broadcastAddress).port),
    receivePort: Number(new URL(first.receiveAddress).port),
  };
  await using beside = await startBeside(first);
  const { url } = beside;
  await using reader = new StreamReader(await fetch(`${url}/messages/stream`));
  const ndjson = (await fetch(`${url}/messages/stream?format=ndjson`)).body!
    .pipeThrough(new TextDecoderStream()).getReader();
  const socket = new WebSocket(`${url.replace("http", "ws")}/messages/ws`, "braviz.v1");
  const frames: Record<string, unknown>[] = [];
  socket.onmessage = ({ data }) => frames.push(JSON.parse(data));
  await soon(new Promise((resolve) => socket.onopen = resolve));
  const polling = fetch(`${url}/messages/longpoll?type=after`);
  sendMany(first, 1, 5);
  await eventsUpTo(reader, 5);
  const place = await cursorNow(url);
  await first.close();

  await using second = new MessageServer(ports);
  await until(() => listeners(second) === 1, "the return");
  second.sendMessage({ type: "after", n: 6 });
  const events = await eventsUpTo(reader, 6);
  assert.deepEqual(events.map(({ event }) => event), ["gap", "message"]);
  const { missed, reason } = JSON.parse(events[0]!.data);
  assert.deepEqual([missed, reason], [null, "restarted"]);
  assert.notEqual(events[1]!.id!.split(".")[0], place.split(".")[0], "another life");
  assert.equal(events[1]!.id!.split(".")[1], "1");

  const poll = await soon(polling);
  await poll.body?.cancel();
  assert.equal(poll.headers.get("message-missed"), "unknown");
  const after = await page(url, `since=${place}`);
  assert.deepEqual([after.messages.map(({ seq }) => seq), after.missed], [[1], null]);
  assert.deepEqual(await strict(url, place), [410, null]);
  const before = await page(url, `since=${place.split(".")[0]}.3`);
  assert.deepEqual([before.messages.map(({ seq }) => seq), before.missed], [[4, 5], 0]);
  const inOrder = ["open", 1, 2, 3, 4, 5, "gap", 1];
  const kindOf = (frame: Record<string, unknown>) => "seq" in frame ? frame.seq : Object.keys(frame)[0];
  await until(() => frames.length === inOrder.length, "the frames");
  assert.deepEqual(frames.map(kindOf), inOrder);
  let text = "";
  while (text.split("\n").length <= inOrder.length) text += (await soon(ndjson.read(), "a line")).value;
  assert.deepEqual(text.trimEnd().split("\n").map((line) => kindOf(JSON.parse(line))), inOrder);
  await ndjson.cancel();
  assert.equal(await metric(url, "braviz_bus_gaps_total"), 1);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await soon(closed);
});

Deno.test("a cut connection to a broker that numbers nothing: what was missed is unknown", {
  // libzmq lives in threads of its own.
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  using pub = new LibzmqPub();
  await pub.bind("tcp://127.0.0.1:0");
  await using relay = new Relay(pub.lastEndpoint!);
  await using client = new PassiveMessageClient({
    serverBroadcast: relay.address,
    reconnect: { minMs: 5, maxMs: 20 },
  });
  await using gateway = serveGateway(client, { port: 0, ...quiet });
  await using reader = new StreamReader(await fetch(`${gateway.url}/messages/stream`));
  /** libzmq does not say when a subscription has arrived: the first messages may pass unheard. */
  const untilHeard = async () => {
    const before = client.count;
    while (client.count === before) {
      await send(pub, '{"type":"n","n":1}');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  await soon(untilHeard());
  await soon(reader.next());
  relay.cut();
  await until(() => !client.isReceiving, "the cut");
  relay.mend();
  await soon(untilHeard());
  let event: StreamEvent | undefined;
  do event = await soon(reader.next(), "the gap"); while (event?.event === "message");
  assert.equal(event?.event, "gap");
  assert.deepEqual(
    [JSON.parse(event.data).missed, JSON.parse(event.data).reason],
    [null, "disconnected"],
  );
  const history = await page(gateway.url, "since=0");
  assert.equal((await page(gateway.url, `since=${history.cursor}`)).missed, null);
});
