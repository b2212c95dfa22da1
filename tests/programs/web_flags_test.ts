/** The flags that `broker.ts --http` and `http.ts` share do the same in both. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { Program } from "../support/program.ts";
import { RawPeer } from "../support/raw_peer.ts";

interface Web extends AsyncDisposable {
  readonly http: string;
  readonly token: string | null | undefined;
}

const PROGRAMS: Readonly<Record<string, (flags: readonly string[]) => Promise<Web>>> = {
  "broker.ts": async (flags) => {
    const program = new Program(["broker.ts", "--json", "--http", "0", ...flags]);
    const started = JSON.parse((await program.line())!);
    return { ...started, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
  },
  "http.ts": async (flags) => {
    const server = new MessageServer();
    const addresses = ["--broadcast", server.broadcastAddress, "--receive", server.receiveAddress];
    const program = new Program(["http.ts", "--json", "--port", "0", ...addresses, ...flags]);
    const started = JSON.parse((await program.line())!);
    for (let isUp = false; !isUp;) {
      const headers: HeadersInit = started.token === null ? {} : { authorization: `Bearer ${started.token}` };
      const answer = await fetch(`${started.http}/readyz`, { headers });
      await answer.body?.cancel();
      isUp = answer.ok;
    }
    return {
      ...started,
      async [Symbol.asyncDispose]() {
        await program[Symbol.asyncDispose]();
        await server.close();
      },
    };
  },
};

/** Sends a message, and waits until it is in the feed. */
async function post({ http }: Web, message: unknown, headers: HeadersInit = {}): Promise<Response> {
  const body = JSON.stringify(message);
  return await fetch(`${http}/messages?confirm=5`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
}

for (const [name, start] of Object.entries(PROGRAMS)) {
  Deno.test(`${name} --max-body refuses a body above it`, async () => {
    await using web = await start(["--max-body", "100"]);

    const [fits, tooLarge] = [await post(web, { type: "a" }), await post(web, { type: "x".repeat(100) })];

    assert.equal(fits.ok, true, await fits.text());
    assert.equal(tooLarge.status, 413);
    await tooLarge.body?.cancel();
  });

  Deno.test(`${name} --history holds so many messages`, async () => {
    await using web = await start(["--history", "2"]);
    for (const type of ["a", "b", "c"]) await (await post(web, { type })).body?.cancel();

    const { messages } = await (await fetch(`${web.http}/messages/history?since=earliest`)).json();

    assert.deepEqual(messages.map(({ message }: { message: { type: string } }) => message.type), ["b", "c"]);
  });

  Deno.test(`${name} --allow-origin lets pages of that origin in, and no others`, async () => {
    await using web = await start(["--allow-origin", "https://lab.example"]);

    const [friend, foe] = [
      await post(web, { type: "a" }, { origin: "https://lab.example" }),
      await post(web, { type: "a" }, { origin: "https://evil.example" }),
    ];

    assert.equal(friend.headers.get("access-control-allow-origin"), "https://lab.example");
    assert.deepEqual([friend.ok, foe.status], [true, 403]);
    await Promise.all([friend.body?.cancel(), foe.body?.cancel()]);
  });

  Deno.test(`${name} --allow-host answers to that name`, async () => {
    await using web = await start(["--allow-host", "bus.lab.example"]);
    const { port } = new URL(web.http);
    const statusOf = async (host: string) => {
      await using connection = await RawPeer.connect(`tcp://127.0.0.1:${port}`);
      const words = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      await connection.write(new TextEncoder().encode(words));
      return new TextDecoder().decode(await connection.readBytes(12)).slice(9);
    };

    assert.deepEqual([await statusOf("bus.lab.example"), await statusOf("evil.example")], ["200", "403"]);
  });

  Deno.test(`${name} --token auto makes another token at each start`, async () => {
    await using first = await start(["--token", "auto"]);
    await using second = await start(["--token", "auto"]);

    assert.match(first.token!, /^[\w-]{43}$/);
    assert.notEqual(first.token, second.token);
  });
}

Deno.test("broker.ts --heartbeat makes sure that listeners are still there", async () => {
  await using broker = new Program(["broker.ts", "--json", "--heartbeat", "1"]);
  const { broadcastAddress } = JSON.parse((await broker.line())!);
  await using peer = await RawPeer.join(broadcastAddress, "SUB");

  const { body } = (await peer.readFrame())!;

  assert.equal(new TextDecoder().decode(body.subarray(1, 5)), "PING");
});
