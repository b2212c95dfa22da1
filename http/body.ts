/**
 * Reading the body of a request: bounded in bytes and in time.
 *
 * @module
 */
import type { Gate } from "./gate.ts";
import { Problem } from "./problem.ts";

/**
 * The whole body. Its size is checked on the announced length, then while it is read; Deno itself knows neither a limit nor a
 * deadline.
 *
 * @throws {Problem} `too-large`, `request-timeout`, or `missing-message` when the client went away in the middle.
 */
export async function readBody(gate: Gate, request: Request): Promise<Uint8Array> {
  const limit = gate.settings.maxBody;
  const declared = request.headers.get("content-length");
  // Where the length is announced and the body not read, Deno closes the connection by itself.
  const headers: Readonly<Record<string, string>> = declared === null ? { connection: "close" } : {};
  if (declared !== null && Number(declared) > limit) throw tooLarge(limit, headers);
  let handleLate = () => {};
  const problem = () =>
    new Problem(
      "request-timeout",
      `Cannot read body: it did not arrive within ${gate.settings.bodyTimeoutMs} ms`,
      { headers },
    );
  let finish = () => {};
  try {
    return await new Promise((resolve, reject) => {
      finish = gate.watchBody(() => {
        reject(problem());
        handleLate();
      });
      // With a length, the server holds the body to it; without one, we count.
      const body = declared === null
        ? readCounted(request, limit, headers, (cancel) => handleLate = cancel)
        : request.bytes();
      body.then(resolve, reject);
    });
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem("missing-message", "Cannot read body: it ended before its time", { headers });
  } finally {
    finish();
  }
}

async function readCounted(
  request: Request,
  limit: number,
  headers: Readonly<Record<string, string>>,
  onCancellable: (cancel: () => void) => void,
): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const reader = request.body.getReader();
  // A read that never ends would keep the connection.
  onCancellable(() => void reader.cancel().catch(() => {}));
  const chunks: Uint8Array[] = [];
  let size = 0;
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.byteLength;
    if (size > limit) {
      reader.cancel().catch(() => {});
      throw tooLarge(limit, headers);
    }
    chunks.push(value);
  }
  const body = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return body;
}

function tooLarge(limit: number, headers: Readonly<Record<string, string>>): Problem {
  return new Problem("too-large", `Cannot take body: it is larger than ${limit} bytes`, {
    fields: { limit },
    headers,
  });
}
