/**
 * Takes messages from libzmq, many at a time.
 *
 * @module
 */
// deno-lint-ignore no-import-prefix -- a remote module does not see our import map
import type * as zeromq from "npm:zeromq@6.8.0";
import { encodeFrame, frameBodyStart } from "../frame.ts";
import type { MessageHandler } from "../transport.ts";

/** Messages of one socket that are received before the others have their turn. */
const BATCH_MESSAGES = 512;

/** Receives what there is, up to a batch, and hands it over in one go. */
export async function receive(
  socket: zeromq.Pull | zeromq.Subscriber,
  maxMessageBytes: number,
  handler: MessageHandler,
): Promise<boolean> {
  const batch: Promise<Uint8Array[]>[] = [];
  // Asking first is cheaper than the error of a receive that finds nothing.
  while (batch.length < BATCH_MESSAGES && socket.readable) batch.push(socket.receive());
  if (batch.length === 0) return false;
  const messages = await Promise.all(batch);
  if (socket.closed) return false;
  for (const parts of messages) {
    const body = parts[0]!;
    if (parts.length > 1) {
      const size = parts.reduce((sum, { length }) => sum + length, 0);
      handler.handleUnfit("multipart", size, parts.length);
    } else if (body.length > maxMessageBytes) {
      handler.handleUnfit("too-large", body.length, 1);
    } else {
      const frame = encodeFrame(body, 0);
      handler.handleMessage(frame, 0, frameBodyStart(frame, 0), frame.length);
    }
  }
  handler.handleTurnEnd();
  return true;
}
