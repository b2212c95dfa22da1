/** The module imported from a URL, by a program in another folder that knows nothing of our configuration. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { Program, ROOT, run } from "./support/program.ts";

/** Serves the tree as any web server would; remembers what was asked for. */
function serveTree(): AsyncDisposable & { url: string; asked: Set<string> } {
  const asked = new Set<string>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async ({ url }) => {
    const { pathname } = new URL(url);
    asked.add(pathname);
    if (pathname.includes("..") || pathname.endsWith("/")) return new Response(null, { status: 404 });
    try {
      return new Response(await Deno.readFile(join(ROOT, pathname)), {
        headers: { "content-type": "text/plain" },
      });
    } catch {
      return new Response(null, { status: 404 });
    }
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    asked,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("mod.ts exports what programs need to run, and nothing of the engine", async () => {
  assert.deepEqual(Object.keys(await import("../mod.ts")).sort(), [
    "AddressError",
    "ClosedError",
    "ConnectionError",
    "GenericMessageClient",
    "HandshakeError",
    "ListenError",
    "MessageClient",
    "MessageError",
    "MessageServer",
    "OptionError",
    "PassiveMessageClient",
    "ProtocolError",
    "QueueFullError",
    "TransportError",
    "allowKeys",
    "createLogMessage",
    "createReadyMessage",
    "createReloadMessage",
    "createSampleMessage",
    "createSubjectMessage",
    "createVariablesMessage",
    "createVisualizationMessage",
    "curveKeyPair",
    "eventStreamHandler",
    "instanceId",
    "isMessageOfType",
    "longPollMessageHandler",
    "messageGateway",
    "messageHandler",
    "serveGateway",
    "webSocketMessageHandler",
  ]);
});

const USER_PROGRAM = (url: string) => `
import { MessageClient, MessageServer, PassiveMessageClient } from "${url}/mod.ts";

await using server = new MessageServer();
await using sender = new MessageClient(server.addresses);
await using listener = new PassiveMessageClient(server.addresses);
await Promise.all([sender.ready, listener.ready]);
sender.sendMessage({ type: "subject", subject: 119 });
const { entries } = await listener.waitForMessages(0);
console.log(entries[0]?.text);
`;

Deno.test("mod.ts works when it is imported from a URL, without our configuration and without any download", async () => {
  await using tree = serveTree();
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(join(folder, "program.ts"), USER_PROGRAM(tree.url));
    const host = new URL(tree.url).host;

    await using program = new Program(
      [`--allow-import=${host}`, "--no-npm", "--no-config", "--reload", "--check", "program.ts"],
      { cwd: folder },
    );
    const { code, stdout, stderr } = await program.ended(60_000);

    assert.deepEqual({ code, stdout }, { code: 0, stdout: '{"type":"subject","subject":119}\n' }, stderr);
    assert.ok(tree.asked.has("/mod.ts"));
    assert.ok(!tree.asked.has("/deno.json"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("broker.ts and client.ts run from a URL", async () => {
  await using tree = serveTree();
  const folder = await Deno.makeTempDir();
  try {
    await using broker = new Program(["--reload", `${tree.url}/broker.ts`, "--json"], { cwd: folder });
    const { receiveAddress } = JSON.parse((await broker.line())!);

    const { code, stderr } = await run(
      ["--reload", `${tree.url}/client.ts`, "send", "--receive", receiveAddress, '{"type":"a"}'],
      { cwd: folder },
    );

    assert.equal(code, 0, stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("A broker from a URL records: the Workers of an archive need nothing but its file", async () => {
  await using tree = serveTree();
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "x.db");
    const file = [`--allow-read=${path}`, `--allow-write=${path}`];
    {
      const ports = ["--broadcast-port", "0", "--receive-port", "0"];
      await using broker = new Program(
        [...file, "--reload", `${tree.url}/broker.ts`, "--json", "--archive", path, ...ports],
        { cwd: folder },
      );
      const { receiveAddress } = JSON.parse((await broker.line())!);
      const { code, stderr } = await run([
        "--reload",
        `${tree.url}/client.ts`,
        "send",
        "--receive",
        receiveAddress,
        '{"type":"a"}',
      ], {
        cwd: folder,
      });
      assert.equal(code, 0, stderr);
      broker.kill("SIGTERM");
      assert.equal((await broker.ended()).code, 0);
    }
    const { stdout, stderr } = await run(["--reload", ...file, `${tree.url}/client.ts`, "export", path], {
      cwd: folder,
    });
    assert.equal(stdout, '{"type":"a"}\n', stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
