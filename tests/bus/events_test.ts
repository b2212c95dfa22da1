import assert from "node:assert/strict";
import { ConnectionError, MessageError } from "../../base/errors.ts";
import {
  BusMessageEvent,
  ConnectionEvent,
  isWanted,
  MessageErrorEvent,
  TypedEventTarget,
} from "../../bus/events.ts";

/** A target that shows what it knows. */
class Target extends TypedEventTarget<{ message: BusMessageEvent; messageerror: MessageErrorEvent }> {
  wants(type: "message" | "messageerror"): boolean {
    return isWanted(this, type);
  }
}

Deno.test("BusMessageEvent has the text as it came and the message in it", () => {
  const event = new BusMessageEvent('{ "type":"x", "big": 12345678901234567890 }');
  assert.equal(event.type, "message");
  assert.equal(event.text, '{ "type":"x", "big": 12345678901234567890 }');
  assert.deepEqual(event.message, { type: "x", big: 12345678901234567000 });
});

Deno.test("BusMessageEvent parses its text once, and only when it is asked to", () => {
  assert.equal(new BusMessageEvent("no JSON").text, "no JSON");
  const event = new BusMessageEvent('{"type":"x"}');
  assert.equal(event.message, event.message);
});

Deno.test("MessageErrorEvent has the error and its code as reason", () => {
  const error = new MessageError("not-json", "why");
  const event = new MessageErrorEvent(error);
  assert.deepEqual([event.type, event.error, event.reason], ["messageerror", error, "not-json"]);
});

Deno.test("ConnectionEvent says which connection and, at its end, why", () => {
  const reason = new ConnectionError("peer-closed", "why");
  const up = new ConnectionEvent("connect", "broadcast", "tcp://127.0.0.1:1");
  const down = new ConnectionEvent("disconnect", "receive", "tcp://127.0.0.1:2", reason);
  assert.deepEqual([up.type, up.endpoint, up.address, up.reason], [
    "connect",
    "broadcast",
    "tcp://127.0.0.1:1",
    undefined,
  ]);
  assert.deepEqual([down.type, down.endpoint, down.address, down.reason], [
    "disconnect",
    "receive",
    "tcp://127.0.0.1:2",
    reason,
  ]);
});

Deno.test("TypedEventTarget gives listeners the event's own class", () => {
  const target = new Target();
  const texts: string[] = [];
  target.addEventListener("message", (event) => texts.push(event.text));
  target.addEventListener("message", { handleEvent: (event) => texts.push(event.text) });
  target.dispatchEvent(new BusMessageEvent("{}"));
  assert.deepEqual(texts, ["{}", "{}"]);
});

Deno.test("TypedEventTarget.removeEventListener() ends a listener, once and signal do, too", () => {
  const target = new Target();
  let heard = 0;
  const listener = () => heard++;
  const stop = new AbortController();
  target.addEventListener("message", listener);
  target.addEventListener("message", () => heard++, { once: true });
  target.addEventListener("message", () => heard++, { signal: stop.signal });
  target.dispatchEvent(new BusMessageEvent("{}"));
  target.removeEventListener("message", listener);
  stop.abort();
  target.dispatchEvent(new BusMessageEvent("{}"));
  assert.equal(heard, 3);
});

Deno.test("TypedEventTarget knows which events anyone ever asked for", () => {
  const target = new Target();
  assert.deepEqual([target.wants("message"), target.wants("messageerror")], [false, false]);
  target.addEventListener("message", () => {});
  assert.deepEqual([target.wants("message"), target.wants("messageerror")], [true, false]);
});
