/** Programs go on working whatever becomes of their output. */
import assert from "node:assert/strict";
import { PassiveMessageClient } from "../../client.ts";
import { MessageServer } from "../../broker.ts";
import { soon, until } from "../support/deadline.ts";
import { freePorts, HAS_TROUBLES, TroubledProgram, TROUBLES, unreadBytes } from "../support/stdio.ts";

const STREAMS = [[1, "stdout"], [2, "stderr"]] as const;

for (const trouble of TROUBLES) {
  for (const [fd, stream] of STREAMS) {
    for (const flags of [[], ["-v"]]) {
      Deno.test({
        name: `broker.ts ${flags.join(" ")} carries messages and stops while its ${stream} is ${trouble}`,
        ignore: !HAS_TROUBLES,
        fn: async () => {
          const [broadcastPort, receivePort] = freePorts(2) as [number, number];
          const ports = ["--broadcast-port", `${broadcastPort}`, "--receive-port", `${receivePort}`];
          await using broker = new TroubledProgram(["broker.ts", ...ports, ...flags], fd, trouble);
          await using client = new PassiveMessageClient({
            serverBroadcast: `tcp://127.0.0.1:${broadcastPort}`,
            serverReceive: `tcp://127.0.0.1:${receivePort}`,
            reconnect: { minMs: 5, maxMs: 50 },
          });
          await soon(client.ready);

          // With -v each of them is a line: more than a pipe and the queue of notes hold.
          const text = JSON.stringify({ type: "n", text: "x".repeat(900) });
          for (let i = 0; i < 1000; i++) client.sendJsonMessage(text);
          await until(() => client.stats().received === 1000, "all messages");

          assert.equal(await broker.end(), 0);
        },
      });
    }
  }
  Deno.test({
    name: `http.ts refuses a foreign page with 403 and stops while its stderr is ${trouble}`,
    ignore: !HAS_TROUBLES,
    fn: async () => {
      const [port] = freePorts(1) as [number];
      await using server = new MessageServer();
      await using gateway = new TroubledProgram(
        ["http.ts", "--port", `${port}`, "--broadcast", server.broadcastAddress],
        2,
        trouble,
      );
      let status = 0;
      let problem: { readonly flag?: string; readonly detail?: string } = {};
      while (status === 0) {
        const headers = { origin: "http://evil.example" };
        const answer = await fetch(`http://127.0.0.1:${port}/messages`, { headers }).catch(() => undefined);
        if (answer === undefined) continue;
        status = answer.status;
        problem = await answer.json();
      }

      assert.equal(status, 403);
      assert.equal(problem.flag, "--allow-origin");
      assert.match(problem.detail!, /--allow-origin "http:\/\/evil\.example"/);
      assert.equal(await gateway.end(), 0);
    },
  });
  Deno.test({
    name: `client.ts listen goes on, or ends as head wants it, while its stdout is ${trouble}`,
    ignore: !HAS_TROUBLES,
    fn: async () => {
      await using server = new MessageServer();
      await using listener = new TroubledProgram(
        ["client.ts", "listen", "--broadcast", server.broadcastAddress],
        1,
        trouble,
      );
      await until(() => server.stats().subscribers!.subscribers[0]?.topics === 1, "the subscription");

      for (let i = 0; i < 200; i++) server.sendMessage({ type: "n", text: "x".repeat(900) });

      if (trouble === "a closed pipe") {
        assert.equal(await listener.code(), 0);
        assert.doesNotMatch(await listener.other, /stdout/);
        return;
      }
      const state = () => server.stats().subscribers!.subscribers[0]!;
      await until(() => state().queuedMessages === 0 && unreadBytes(state().address) === 0, "the listener");
      const code = await listener.end();
      const isLost = trouble !== "a closed descriptor"; // Deno puts /dev/null there.
      assert.equal(code, isLost ? 1 : 0);
      const said = /\d+ lines? (was|were) not written to stdout/.test(await listener.other);
      assert.equal(said, isLost);
    },
  });
}

Deno.test({
  name: "broker.ts tells how many lines were not written, once somebody reads again",
  ignore: !HAS_TROUBLES,
  fn: async () => {
    await using server = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-net=127.0.0.1", "broker.ts", "--json", "-v"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1" },
    }).spawn();
    const output = server.stdout.getReader();
    const addresses = JSON.parse(new TextDecoder().decode((await soon(output.read())).value));
    await using client = new PassiveMessageClient({
      serverBroadcast: addresses.broadcastAddress,
      serverReceive: addresses.receiveAddress,
    });
    await soon(client.ready);
    const text = JSON.stringify({ type: "n", text: "x".repeat(900) });
    for (let i = 0; i < 1000; i++) client.sendJsonMessage(text);
    await until(() => client.stats().received === 1000, "all messages");

    let told = 0;
    let lines = 0;
    let notes = "";
    const stderr = server.stderr.pipeThrough(new TextDecoderStream()).getReader();
    // It may tell of them in parts: the client has heard all of them before the log has written what it can.
    while (lines + told < 1000) {
      notes += (await soon(stderr.read(), "the note")).value;
      const whole = notes.slice(0, notes.lastIndexOf("\n") + 1);
      lines = whole.split("\n").filter((line) => line.includes(" message ")).length;
      told = [...whole.matchAll(/ (\d+) lines? (?:was|were) not written\n/g)]
        .reduce((sum, [, number]) => sum + Number(number), 0);
    }

    assert.ok(told > 0);
    assert.equal(lines + told, 1000);
    assert.match(notes, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z message \{/);
    server.kill("SIGTERM");
    await Promise.all([stderr.cancel(), output.cancel(), server.status]);
  },
});
