/** The types that pages get are those of the modules: `deno check` of this file shows it. */
import assert from "node:assert/strict";
import type { KnownMessage } from "../../bus/messages.ts";
import type { Bus, Kinds } from "../../http/client.d.ts";
import { messageGateway } from "../../http.ts";
import { quiet } from "./support/bus.ts";

type IsSame<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;

const areSame: IsSame<Kinds[keyof Kinds], KnownMessage> = true;

/** Never called: the compiler reads it. */
export function usePage(bus: Bus): void {
  bus.on("subject", ({ subject }) => void (subject satisfies string | number));
  bus.on("Visualization", ({ source }) => void (source satisfies string));
  bus.on("zoom", ({ factor }) => void (factor satisfies unknown));
  bus.addEventListener("gap", ({ missed }) => void (missed satisfies number | null));
  void bus.send({ type: "subject", subject: 119 });
  void bus.send({ type: "zoom", factor: 2 });
  // @ts-expect-error -- a log has no field of that type
  bus.on("log", ({ pid }) => void (pid satisfies boolean));
}

Deno.test("/client.js tells where its types are, and neither needs the token", async () => {
  assert.ok(areSame);
  await using handler = messageGateway(null, { token: "some-token", prefix: "/bus", ...quiet });
  const get = (path: string) => handler(new Request(`http://127.0.0.1:8000/bus${path}`));
  const script = await get("/client.js");
  assert.equal(script.headers.get("content-type"), "text/javascript; charset=utf-8");
  const types = await get(new URL(script.headers.get("x-typescript-types")!, "http://x/client.js").pathname);
  assert.match(await types.text(), /export declare function connect/);
  assert.match(await script.text(), /export function connect/);
});
