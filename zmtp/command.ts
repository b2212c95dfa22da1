/**
 * Commands: a name with its length in front, then whatever the command carries (RFC 37 §2.4).
 *
 * ```text
 *   04 1a │ 05 R E A D Y │ 0b S o c k e t - T y p e  00 00 00 04 P U S H
 *   frame │ name         │ data
 * ```
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { encodeFrame } from "./frame.ts";
import { FLAG_COMMAND, PING_CONTEXT_MAX, TTL_MAX, TTL_UNIT_MS } from "./wire.ts";

/** A command as it came: a view on the bytes of its frame. */
export interface Command {
  /** Case matters, as it does for libzmq. */
  readonly name: string;
  /** What follows the name. */
  readonly data: Uint8Array;
}

/** Properties of READY and INITIATE; names as they came, values as bytes. */
export type Metadata = readonly (readonly [name: string, value: Uint8Array])[];

/** Topic of a subscription, and whether it begins or ends. */
export interface SubscriptionChange {
  /** True for SUBSCRIBE, false for CANCEL. */
  readonly subscribe: boolean;
  /** The prefix; empty for everything. */
  readonly topic: Uint8Array;
}

/**
 * Takes the name off a command's body.
 *
 * @throws {ProtocolError} `bad-command`: no name, or a name longer than the body. libzmq reads beyond the body there.
 */
export function parseCommand(body: Uint8Array): Command {
  const nameSize = body[0] ?? 0;
  if (nameSize === 0) throw new ProtocolError("bad-command", "Cannot parse command: it has no name");
  if (nameSize > body.length - 1) {
    throw new ProtocolError(
      "bad-command",
      `Cannot parse command: its name has ${nameSize} bytes, its body has ${body.length - 1} left`,
    );
  }
  return { name: latin1(body.subarray(1, 1 + nameSize)), data: body.subarray(1 + nameSize) };
}

/** The frame of a command. */
export function encodeCommand(name: string, data: Uint8Array = EMPTY): Uint8Array {
  const body = new Uint8Array(1 + name.length + data.length);
  body[0] = name.length;
  writeLatin1(body, 1, name);
  body.set(data, 1 + name.length);
  return encodeFrame(body, FLAG_COMMAND);
}

/** The properties of a READY, in the order of the list. */
export function encodeMetadata(metadata: Metadata): Uint8Array {
  const bytes = new Uint8Array(
    metadata.reduce((sum, [name, value]) => sum + 5 + name.length + value.length, 0),
  );
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [name, value] of metadata) {
    bytes[at] = name.length;
    writeLatin1(bytes, at + 1, name);
    at += 1 + name.length;
    view.setUint32(at, value.length);
    bytes.set(value, at + 4);
    at += 4 + value.length;
  }
  return bytes;
}

/**
 * Reads the properties of a READY; stricter than libzmq, which takes an empty name and a value cut at the very end.
 *
 * @throws {ProtocolError} `bad-metadata`.
 */
export function parseMetadata(bytes: Uint8Array): Metadata {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const metadata: [string, Uint8Array][] = [];
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes[at]!;
    if (bytes[at] === 0) {
      throw new ProtocolError("bad-metadata", "Cannot parse metadata: a property has no name");
    }
    if (nameEnd + 4 > bytes.length) throw cut(bytes.length);
    const valueEnd = nameEnd + 4 + view.getUint32(nameEnd);
    if (valueEnd > bytes.length) throw cut(bytes.length);
    metadata.push([latin1(bytes.subarray(at + 1, nameEnd)), bytes.slice(nameEnd + 4, valueEnd)]);
    at = valueEnd;
  }
  return metadata;
}

/**
 * The peer's socket type. Names of properties are compared without regard to case (RFC 37 §2.4.2), values exactly.
 *
 * @throws {ProtocolError} `bad-metadata`: missing, or there twice.
 */
export function socketTypeOf(metadata: Metadata): string {
  const values = metadata.filter(([name]) => name.toLowerCase() === "socket-type");
  if (values.length !== 1) {
    const found = values.length === 0 ? "no Socket-Type" : `${values.length} times Socket-Type`;
    throw new ProtocolError("bad-metadata", `Cannot take metadata: it has ${found}, needs one`);
  }
  return latin1(values[0]![1]);
}

/** Our only property. libzmq looks for exactly this spelling. */
export function socketTypeMetadata(socketType: string): Metadata {
  return [["Socket-Type", bytesOf(socketType)]];
}

/** READY, of the NULL mechanism. */
export function encodeReady(metadata: Metadata): Uint8Array {
  return encodeCommand("READY", encodeMetadata(metadata));
}

/** ERROR with a reason of at most 255 printable characters. libzmq clients give up for ever when they get one. */
export function encodeError(reason: string): Uint8Array {
  const text = bytesOf(reason.slice(0, 0xff));
  const data = new Uint8Array(1 + text.length);
  data[0] = text.length;
  data.set(text, 1);
  return encodeCommand("ERROR", data);
}

/** The reason of an ERROR; whatever is there when its length is wrong. */
export function parseError(data: Uint8Array): string {
  return latin1(data.subarray(1, 1 + Math.min(data[0] ?? 0, data.length - 1)));
}

/** SUBSCRIBE or CANCEL, as a command: for peers that announce ZMTP >= 3.1. */
export function encodeSubscription({ subscribe, topic }: SubscriptionChange): Uint8Array {
  return encodeCommand(subscribe ? "SUBSCRIBE" : "CANCEL", topic);
}

/** The same as a message: for peers that announce ZMTP 3.0, which know no other form. */
export function encodeLegacySubscription({ subscribe, topic }: SubscriptionChange): Uint8Array {
  const body = new Uint8Array(1 + topic.length);
  body[0] = subscribe ? 1 : 0;
  body.set(topic, 1);
  return encodeFrame(body, 0);
}

/** The subscription in the body of a message, or undefined when it is another message. */
export function parseLegacySubscription(body: Uint8Array): SubscriptionChange | undefined {
  return body[0] === 0 || body[0] === 1 ? { subscribe: body[0] === 1, topic: body.subarray(1) } : undefined;
}

/** PING. The ttl tells the peer how long to wait for us; it is capped, see {@linkcode TTL_MAX}. */
export function encodePing(ttlMs: number, context: Uint8Array = EMPTY): Uint8Array {
  const ttl = Math.min(TTL_MAX, Math.ceil(ttlMs / TTL_UNIT_MS));
  const data = new Uint8Array(2 + context.length);
  data[0] = ttl >> 8;
  data[1] = ttl & 0xff;
  data.set(context, 2);
  return encodeCommand("PING", data);
}

/**
 * Reads a PING; the context is cut to 16 bytes, as libzmq does.
 *
 * @throws {ProtocolError} `bad-command`: without ttl. libzmq answers that with sixteen bytes of stale memory.
 */
export function parsePing(data: Uint8Array): { readonly ttlMs: number; readonly context: Uint8Array } {
  if (data.length < 2) throw new ProtocolError("bad-command", "Cannot parse PING: it has no ttl");
  return {
    ttlMs: ((data[0]! << 8) | data[1]!) * TTL_UNIT_MS,
    context: data.subarray(2, 2 + PING_CONTEXT_MAX),
  };
}

/** PONG with the context of the PING that it answers. */
export function encodePong(context: Uint8Array): Uint8Array {
  return encodeCommand("PONG", context);
}

const EMPTY = new Uint8Array(0);

function cut(size: number): ProtocolError {
  return new ProtocolError("bad-metadata", `Cannot parse metadata: a property ends behind its ${size} bytes`);
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function writeLatin1(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  writeLatin1(bytes, 0, text);
  return bytes;
}
