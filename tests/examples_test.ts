/** The examples, run as they stand where their runtime is there. */
import assert from "node:assert/strict";
import { MessageServer } from "../broker.ts";
import { soon, until } from "./support/deadline.ts";
import { Program, ROOT } from "./support/program.ts";
import { join } from "node:path";

/** Sends a message each time it is asked, until the example has printed one. */
async function isPrinted(server: MessageServer, line: () => Promise<string | undefined>): Promise<string> {
  let printed: string | undefined;
  const first = line().then((text) => printed = text);
  await until(
    () => server.stats().subscribers!.subscribers.some(({ topics }) => topics > 0),
    "the example's subscription",
  );
  const flow = setInterval(() => server.sendMessage({ type: "subject", subject: 119 }), 20);
  try {
    await soon(first, "a line of the example");
  } finally {
    clearInterval(flow);
  }
  for (const text of ["{}", '{"Type":"stop"}', '{"type":5}', '{"type":null}']) server.sendJsonMessage(text);
  server.sendMessage({ type: "stop" });
  return printed!;
}

Deno.test("examples/deno_client.ts sends, and prints what others send", async () => {
  await using server = new MessageServer();
  const told = Promise.withResolvers<string>();
  server.addEventListener("message", ({ message }) => told.resolve(message.type));
  await using example = new Program([
    "examples/deno_client.ts",
    server.broadcastAddress,
    server.receiveAddress,
  ]);

  const printed = await isPrinted(server, () => example.line());

  assert.equal(printed, '{"type":"subject","subject":119}');
  assert.equal(await soon(told.promise), "ready");
  assert.equal((await example.ended()).code, 0);
});

/** The first Python that has pyzmq. */
async function pythonWithZmq(): Promise<string | undefined> {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      const { success } = await new Deno.Command(python, { args: ["-c", "import zmq"], stderr: "null" })
        .output();
      if (success) return python;
    } catch {
      // Not there.
    }
  }
  return undefined;
}

const python = await pythonWithZmq();
const why = python === undefined ? " (ignored: no Python with pyzmq on this machine)" : "";

Deno.test({
  name: `examples/python_client.py sends, and prints what comes${why}`,
  ignore: python === undefined,
  fn: async () => {
    await using server = new MessageServer();
    const told = Promise.withResolvers<string>();
    server.addEventListener("message", ({ message }) => told.resolve(message.type));
    const child = new Deno.Command(python!, {
      args: [join(ROOT, "examples", "python_client.py"), server.broadcastAddress, server.receiveAddress],
      stdout: "piped",
    }).spawn();
    const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const line = async () => {
      while (true) {
        const found = text.split("\n").slice(0, -1).find((one) => one.includes("subject"));
        if (found !== undefined) return found;
        const { value, done } = await lines.read();
        if (done) return undefined;
        text += value;
      }
    };
    try {
      assert.equal(await isPrinted(server, line), '{"type": "subject", "subject": 119}');
      assert.equal(await soon(told.promise), "ready");
      assert.equal((await soon(child.status)).code, 0);
    } finally {
      await lines.cancel();
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
  },
});
