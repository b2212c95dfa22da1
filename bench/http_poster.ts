/**
 * Posts from a thread of its own: the loop that reads thousands of answers would otherwise add its own delay to the time until
 * a POST is answered.
 */
/// <reference lib="webworker" />
import { connect, writeAll } from "./http_load.ts";

export interface PostOrder {
  readonly port: number;
  readonly request: string;
}

const connections = new Map<number, Deno.TcpConn>();

addEventListener("message", async ({ data }: MessageEvent<PostOrder>) => {
  let conn = connections.get(data.port);
  if (conn === undefined) connections.set(data.port, conn = await connect(data.port));
  const start = performance.now();
  await writeAll(conn, new TextEncoder().encode(data.request));
  await conn.read(new Uint8Array(4096));
  postMessage(performance.now() - start);
});
