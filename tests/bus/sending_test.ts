/** What a client sends, with a socket that does what the test says. */
import assert from "node:assert/strict";
import { ClosedError, ConnectionError } from "../../base/errors.ts";
import { Sending } from "../../bus/sending.ts";
import type { PushSocket } from "../../zmtp/mod.ts";
import { isError } from "../support/errors.ts";

/** Ten messages or 100 bytes may wait. */
function sendingOver(): {
  sending: Sending;
  socket: { queuedMessages: number; queuedBytes: number };
  end: () => void;
} {
  const closed = new AbortController();
  const socket = {
    isConnected: true,
    queuedMessages: 0,
    queuedBytes: 0,
    send: () => void socket.queuedMessages++,
    close: () => Promise.resolve(),
  };
  const sending = new Sending({ messages: 10, bytes: 100 }, closed.signal);
  sending.attach(socket satisfies PushSocket);
  return { sending, socket, end: () => closed.abort() };
}

/** Queues so many messages. */
function send(sending: Sending, messages: number): void {
  for (let i = 0; i < messages; i++) sending.enqueue("{}", false);
}

/** Has it settled by the end of this turn? */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

const lost = (what: RegExp) => (error: unknown) =>
  isError(ConnectionError, "messages-lost")(error) && what.test((error as Error).message);

Deno.test("Sending numbers what is queued, and counts what became of it", () => {
  const { sending } = sendingOver();
  assert.deepEqual([sending.enqueue("{}", false), sending.enqueue("{}", true)], [1, 2]);
  send(sending, 3);
  sending.handleWritten(2);
  sending.handleLost(1);
  const { sent, written, left } = sending;
  assert.deepEqual({ sent, written, lost: sending.lost, left }, { sent: 5, written: 2, lost: 1, left: 3 });
});

Deno.test("Sending.flush() waits for what was sent before it, and no longer", async () => {
  const { sending } = sendingOver();
  send(sending, 2);
  const flushed = sending.flush();
  send(sending, 1);
  sending.handleWritten(1);
  assert.equal(await isSettled(flushed), false);
  sending.handleWritten(1);
  await flushed;
});

Deno.test("Sending.flush() with nothing to wait for resolves, closed or not", async () => {
  const { sending, end } = sendingOver();
  await sending.flush();
  end();
  await sending.flush();
});

Deno.test("Sending.flush() rejects when something of what it waited for was lost, and says how many", async () => {
  const { sending } = sendingOver();
  send(sending, 4);
  const flushed = sending.flush();
  sending.handleLost(1);
  sending.handleWritten(1);
  sending.handleLost(2);
  await assert.rejects(flushed, lost(/^Cannot flush: 3 messages were cut by the end of a connection/));
});

Deno.test("Sending.flush() tells of what was lost before it was called, once", async () => {
  const { sending } = sendingOver();
  send(sending, 2);
  sending.handleLost(1);
  sending.handleWritten(1);
  await assert.rejects(sending.flush(), lost(/: 1 message was cut/));
  await sending.flush();
  send(sending, 1);
  sending.handleLost(1);
  await assert.rejects(sending.flush(), lost(/: 1 message was cut/));
});

Deno.test("Sending.flush() tells each of several who waited for the same", async () => {
  const { sending } = sendingOver();
  send(sending, 1);
  const flushes = [sending.flush(), sending.flush()];
  sending.handleLost(1);
  for (const flush of flushes) await assert.rejects(flush, lost(/: 1 message was cut/));
});

Deno.test("Sending.flush() does not mind that a later message was lost", async () => {
  const { sending } = sendingOver();
  send(sending, 2);
  const flushed = sending.flush();
  send(sending, 2);
  sending.handleWritten(2);
  sending.handleLost(2);
  await flushed;
  await assert.rejects(sending.flush(), lost(/: 2 messages were cut/));
});

Deno.test("Sending.flush() counts of messages that were lost together those that it waited for", async () => {
  const { sending } = sendingOver();
  send(sending, 2);
  const flushed = sending.flush();
  send(sending, 3);
  sending.handleLost(5);
  await assert.rejects(flushed, lost(/: 2 messages were cut/));
});

Deno.test("Sending.allLeft() takes what was lost for gone", async () => {
  const { sending } = sendingOver();
  send(sending, 2);
  const left = sending.allLeft();
  sending.handleLost(1);
  assert.equal(await isSettled(left), false);
  sending.handleWritten(1);
  assert.equal(await left, 1);
});

Deno.test("Sending.drained() waits until half of the queue is free, in messages and in bytes", async () => {
  const { sending, socket } = sendingOver();
  await sending.drained();
  Object.assign(socket, { queuedMessages: 10, queuedBytes: 90 });
  const drained = sending.drained();
  for (const [queuedMessages, queuedBytes] of [[6, 10], [5, 51]] as const) {
    Object.assign(socket, { queuedMessages, queuedBytes });
    sending.handleWritten(1);
    assert.equal(await isSettled(drained), false);
  }
  socket.queuedBytes = 50;
  sending.handleLost(1);
  await drained;
});

Deno.test("Sending.flush() and drained() end with their signal, and with the client", async () => {
  const { sending, socket, end } = sendingOver();
  send(sending, 1);
  Object.assign(socket, { queuedMessages: 10 });
  const abort = new AbortController();
  const first = [sending.flush(abort.signal), sending.drained(abort.signal)];
  const second = [sending.flush(), sending.drained()];
  abort.abort(new Error("enough"));
  for (const wait of first) await assert.rejects(wait, /enough/);
  end();
  for (const wait of [...second, sending.flush(), sending.drained()]) {
    await assert.rejects(wait, isError(ClosedError, "closed"));
  }
});
