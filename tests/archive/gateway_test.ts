/** `http.ts --archive F` beside a broker, and recordings that a client makes. */
import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { MessageServer, PassiveMessageClient } from "../../mod.ts";
import { soon, until } from "../support/deadline.ts";
import { Program } from "../support/program.ts";
import { allTexts, recordTexts, TempFile } from "./support/files.ts";
import { permissionsFor } from "./support/recorded_broker.ts";

async function startGateway(
  { path }: TempFile,
  server: MessageServer,
): Promise<Program & { readonly http: string }> {
  const program = new Program([
    ...permissionsFor(path),
    ...["http.ts", "--json", "--port", "0", "--archive", path],
    ...["--broadcast", server.broadcastAddress, "--receive", server.receiveAddress],
  ]);
  const line = await program.line();
  if (line === undefined) throw new Error((await program.ended()).stderr);
  return Object.assign(program, JSON.parse(line) as { http: string });
}

Deno.test("A gateway that was killed goes on where its file ends, and its cursors stay good", async () => {
  await using file = new TempFile();
  await using server = new MessageServer();
  const numbers = async (url: string) => {
    const { messages } = await (await fetch(url)).json();
    return messages.map(({ message }: { message: { n: number } }) => message.n);
  };
  const onDisk = async (http: string, session: number, messages: number) => {
    const ask = async () => {
      while ((await (await fetch(`${http}/sessions/${session}`)).json()).messages !== messages) {
        await pause(5);
      }
    };
    await soon(ask(), "the messages to be on disk");
  };
  let cursor: string;
  {
    await using gateway = await startGateway(file, server);
    for (let n = 1; n <= 3; n++) server.sendMessage({ type: "a", n });
    await onDisk(gateway.http, 1, 3);
    cursor = (await (await fetch(`${gateway.http}/messages/history?since=earliest&limit=1`)).json()).cursor;
    gateway.kill("SIGKILL");
    await gateway.ended();
  }
  for (let n = 4; n <= 6; n++) server.sendMessage({ type: "a", n });
  await using gateway = await startGateway(file, server);
  await onDisk(gateway.http, 2, 3);
  assert.deepEqual(await numbers(`${gateway.http}/messages/history?since=${cursor}`), [2, 3, 4, 5, 6]);
  gateway.kill("SIGTERM");
  await gateway.ended();
  await using archive = await file.open({ readOnly: true });
  assert.deepEqual((await allTexts(archive, 2)).map((text) => JSON.parse(text).n), [4, 5, 6]);
});

Deno.test("A recorder beside the broker leaves out its own replay, and only that", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, ['{"type":"a","n":1}', '{"type":"a","n":2}']);
  await using server = new MessageServer();
  await using recorder = await archive.record({ past: { messages: 0, bytes: 0 } });
  await using client = new PassiveMessageClient({ ...server.addresses, recorder });
  await client.ready;
  client.sendJsonMessage('{"type":"a","n":1}');
  const player = await archive.play(session, client, { speed: Infinity });
  await player.finished;
  server.sendJsonMessage('{"type":"a","n":2}');
  await until(() => recorder.stats().received === 6);
  await recorder.flushed();
  assert.deepEqual(await allTexts(archive, recorder.session), ['{"type":"a","n":1}', '{"type":"a","n":2}']);
  assert.equal(recorder.stats().leftOut.replay, 4, "two messages and two brackets");
  assert.equal(client.feed.count, 6, "the web hears all of it");
});

Deno.test("A broker that begins a new life is a gap of unknown size in the session, which goes on", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record();
  const first = new MessageServer();
  const { broadcastAddress, receiveAddress } = first;
  await using client = new PassiveMessageClient({
    serverBroadcast: broadcastAddress,
    recorder,
    reconnect: { minMs: 10, maxMs: 20 },
  });
  await client.ready;
  first.sendJsonMessage('{"n":1}');
  await until(() => recorder.stats().received === 1);
  await first.close();
  const port = (address: string) => Number(new URL(address).port);
  await using second = new MessageServer({
    broadcastPort: port(broadcastAddress),
    receivePort: port(receiveAddress),
  });
  await until(() => client.isReceiving);
  second.sendJsonMessage('{"n":2}');
  await until(() => recorder.stats().received === 2);
  await recorder.flushed();
  const { messages, gaps } = await archive.messages(recorder.session);
  assert.deepEqual(messages.map(({ text }) => text), ['{"n":1}', '{"n":2}']);
  assert.deepEqual(gaps.map(({ after, missed, reason }) => [after, missed, reason]), [[
    1,
    null,
    "restarted",
  ]]);
});

Deno.test("Who only reads sees that a session is being recorded, and after a kill that it ended without a goodbye", async () => {
  await using file = new TempFile();
  await using server = new MessageServer();
  const ended = async () => {
    await using archive = await file.open({ readOnly: true });
    const { ended, clean } = await archive.session(1);
    return [ended === null, clean];
  };
  await using gateway = await startGateway(file, server);
  assert.deepEqual(await ended(), [true, null]);
  gateway.kill("SIGKILL");
  await gateway.ended();
  assert.deepEqual(await ended(), [false, false]);
});
