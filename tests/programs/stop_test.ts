/** Programs end when they are asked to, whatever their peers do, and their exit codes say what is so. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { soon, until } from "../support/deadline.ts";
import { Program } from "../support/program.ts";

interface Started {
  readonly http: string;
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
}

/** A program with a gateway, and its bus. */
interface Gateway extends AsyncDisposable {
  readonly program: Program;
  readonly started: Started;
}

const GATEWAYS: Readonly<Record<string, () => Promise<Gateway>>> = {
  "broker.ts --http": async () => {
    const program = new Program(["broker.ts", "--json", "--http", "0"]);
    return {
      program,
      started: JSON.parse((await program.line())!),
      [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
    };
  },
  "http.ts": async () => {
    const server = new MessageServer();
    const { broadcastAddress, receiveAddress } = server;
    const addresses = ["--broadcast", broadcastAddress, "--receive", receiveAddress];
    const program = new Program(["http.ts", "--json", "--port", "0", ...addresses]);
    return {
      program,
      started: JSON.parse((await program.line())!),
      async [Symbol.asyncDispose]() {
        await program[Symbol.asyncDispose]();
        await server.close();
      },
    };
  },
};

/** Peers that neither read nor end. */
const PEERS: Readonly<Record<string, readonly [request: string, waitsFor: string]>> = {
  "does not read its event stream": ["GET /messages/stream HTTP/1.1\r\nHost: localhost\r\n\r\n", "sse"],
  "does not read its WebSocket": [
    "GET /messages/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    "websocket",
  ],
  "waits in a long-poll": ["GET /messages/longpoll HTTP/1.1\r\nHost: localhost\r\n\r\n", "longpoll"],
  "does not read a long history": [
    "GET /messages/history?since=earliest HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "",
  ],
  "does not end its POST": [
    "POST /messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
    "",
  ],
};

/** Messages that no buffer of a socket holds. */
async function flood({ broadcastAddress, receiveAddress }: Started): Promise<void> {
  await using client = new PassiveMessageClient({
    serverBroadcast: broadcastAddress,
    serverReceive: receiveAddress,
  });
  await soon(client.ready);
  const text = JSON.stringify({ type: "n", text: "x".repeat(10_000) });
  for (let i = 0; i < 1000; i++) client.sendJsonMessage(text);
  await until(() => client.stats().received >= 1000, "all messages");
}

async function connect(started: Started, request: string): Promise<Deno.TcpConn> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(new URL(started.http).port) });
  await connection.write(new TextEncoder().encode(request));
  return connection;
}

async function waiting(started: Started, kind: string): Promise<void> {
  for (let isThere = false; !isThere;) {
    const answer = await fetch(`${started.http}/messages/subscribers`);
    isThere = (await answer.json())[kind] === 1;
  }
}

async function isUp(started: Started): Promise<void> {
  for (let isReady = false; !isReady;) {
    const answer = await fetch(`${started.http}/readyz`);
    await answer.body?.cancel();
    isReady = answer.ok;
  }
}

for (const [name, start] of Object.entries(GATEWAYS)) {
  for (const [peer, [request, kind]] of Object.entries(PEERS)) {
    Deno.test(`${name} ends with 0 at SIGTERM while a peer ${peer}`, async () => {
      await using gateway = await start();
      await isUp(gateway.started);
      const isWaiter = kind !== "";
      if (!isWaiter) await flood(gateway.started);
      using _connection = await connect(gateway.started, request);
      if (isWaiter) await waiting(gateway.started, kind);
      else await isUp(gateway.started); // Who connected later was answered: the peer was heard.
      if (isWaiter && kind !== "longpoll") await flood(gateway.started);

      gateway.program.kill("SIGTERM");

      assert.equal((await gateway.program.ended()).code, 0);
    });
  }

  Deno.test(`${name} ends at once at the second signal`, async () => {
    await using gateway = await start();
    await isUp(gateway.started);
    const [request, kind] = PEERS["does not read its event stream"]!;
    using connection = await connect(gateway.started, request);
    await waiting(gateway.started, kind);
    await flood(gateway.started);

    // Signals that come before the first was heard are one: the next one is the second.
    await until(() => {
      try {
        gateway.program.kill("SIGINT");
        return false;
      } catch {
        return true; // It has ended.
      }
    }, "the end of the program");

    assert.equal((await gateway.program.ended()).code, 130);
    assert.equal(connection.localAddr.transport, "tcp");
  });
}

Deno.test("http.ts ends with 0 at SIGTERM while the broker is away", async () => {
  await using program = new Program([
    ...[
      "http.ts",
      "--json",
      "--port",
      "0",
      "--broadcast",
      "tcp://127.0.0.1:9",
      "--receive",
      "tcp://127.0.0.1:9",
    ],
  ]);
  const { http } = JSON.parse((await program.line())!);
  // The message waits for the broker, in vain.
  using _poster = await connect({ http } as Started, PEERS["does not end its POST"]![0]);

  program.kill("SIGTERM");

  assert.equal((await program.ended()).code, 0);
});

for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`client.ts send without a broker says "not sent" at ${signal}, with code ${code}`, async () => {
    // Somebody who takes the connection and says nothing tells when the program is under way.
    using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const address = `tcp://127.0.0.1:${silent.addr.port}`;
    await using program = new Program([
      ...["client.ts", "send", "--receive", address, "--wait", "30", '{"type":"x"}'],
    ]);
    using _connection = await soon(silent.accept());

    program.kill(signal);

    const { code: ended, stderr } = await program.ended();
    assert.equal(ended, code);
    assert.match(stderr, /^client\.ts: not sent.*\n$/);
  });
}

Deno.test("client.ts send says how much was not sent when SIGINT comes while its queue is full", async () => {
  await using server = new MessageServer();
  await using program = new Program(["client.ts", "send", "--receive", server.receiveAddress]);
  await program.say('{"type":"n"}\n');
  await until(() => server.stats().received === 1, "the first message");
  await server.close();
  // 70 lines of 1 MB are more than the 64 MiB that may wait for a broker that is away.
  const line = `${JSON.stringify({ type: "n", text: "x".repeat(1_000_000) })}\n`;
  let taken = 0;
  const isOver = (async () => {
    for (; taken < 70; taken++) await program.say(line);
  })().catch(() => {});
  await until(() => taken >= 67, "a full queue");

  program.kill("SIGINT");

  const { code, stderr } = await program.ended();
  await isOver;
  assert.equal(code, 130);
  assert.match(stderr, /^client\.ts: not all sent: stopped after \d+ messages\n$/);
});

Deno.test("client.ts listen --count ends with 130 at SIGINT before it has heard them all", async () => {
  await using server = new MessageServer();
  await using program = new Program([
    ...["client.ts", "listen", "--count", "2", "--broadcast", server.broadcastAddress],
  ]);
  await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");
  server.sendMessage({ type: "a" });
  await program.line();

  program.kill("SIGINT");

  assert.equal((await program.ended()).code, 130);
});

Deno.test("broker.ts --http under nohup survives SIGHUP, and SIGTERM ends it", async () => {
  await using program = new Program(["broker.ts", "--json", "--http", "0"], { command: "/usr/bin/nohup" });
  const { http } = JSON.parse((await program.line())!);

  program.kill("SIGHUP");
  const answer = await fetch(`${http}/healthz`);

  assert.equal(answer.status, 200);
  await answer.body?.cancel();
  program.kill("SIGTERM");
  assert.equal((await program.ended()).code, 0);
});

const PYTHON = "/usr/bin/python3";
/** A terminal whose window is closed: the kernel sends SIGHUP. */
const TERMINAL = `
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
text = b""
while b"Stop it with" not in text: text += os.read(terminal, 65536)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

Deno.test({
  name: "broker.ts ends with 0 when its terminal is closed",
  ignore: Deno.build.os === "windows" || !hasFile(PYTHON),
  fn: async () => {
    const { stdout } = await soon(
      new Deno.Command(PYTHON, {
        args: ["-c", TERMINAL, Deno.execPath(), "run", "--no-prompt", "--allow-net=127.0.0.1", "broker.ts"],
        stdout: "piped",
      }).output(),
    );
    assert.equal(new TextDecoder().decode(stdout), "0\n");
  },
});

function hasFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
