/**
 * `GET /sessions/{id}/export`: a whole session as lines, read while it is sent.
 *
 * @module
 */
import { answer } from "../answers.ts";
import type { Gate } from "../gate.ts";
import type { Call } from "../route.ts";
import { placeOf } from "./place.ts";

/** See the module. A stop of the gateway waits for it, as long as it waits for anything. */
export async function exportSession(gate: Gate, call: Call): Promise<Response> {
  const { archive, session } = placeOf(gate, call);
  const asJson = call.query.flag("json");
  const end = new AbortController();
  const lines = archive.export(session, { asJson, signal: end.signal })[Symbol.asyncIterator]();
  // The first lines before the head: a session that is not there is a 404, not an answer that breaks off.
  let next = await lines.next();
  let isHeld = true;
  gate.stop.hold();
  const release = () => {
    if (isHeld) gate.stop.release();
    isHeld = false;
  };
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (next.done === true) {
        release();
        return controller.close();
      }
      controller.enqueue(new Uint8Array(next.value));
      try {
        next = await lines.next();
      } catch (error) {
        // What was sent is no whole session, so the connection breaks off.
        release();
        controller.error(error);
      }
    },
    async cancel() {
      end.abort();
      release();
      await lines.return?.().catch(() => {});
    },
  }, { highWaterMark: 0 });
  return answer(body, 200, [
    ["content-type", "application/x-ndjson; charset=UTF-8"],
    ["content-disposition", `attachment; filename="session-${session}.ndjson"`],
  ]);
}
