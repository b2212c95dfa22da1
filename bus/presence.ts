/**
 * What a broker remembers of its peers for the person who must act: what was refused last, and who could not join and why.
 *
 * @module
 */
import type { MessageError } from "../base/errors.ts";
import { handshakeHint } from "./handshake_hint.ts";
import type { PeerStats } from "../zmtp/mod.ts";
import { identityOf, type Named } from "./identity.ts";

/** Something came that is no message; it was not passed on. */
export interface Refusal {
  /** When, in milliseconds since 1970. */
  readonly time: number;
  /** Why: the code of the error. */
  readonly reason: MessageError["code"];
  /** Whose it was: `host:port`, and its name where it gave one. */
  readonly sender: string;
  /** The first 100 characters of it; of what was too large or had several frames, how large it was. */
  readonly text: string;
}

/** A connection ended before its handshake was over. */
export interface FailedHandshake {
  /** When, in milliseconds since 1970. */
  readonly time: number;
  /** Where it came from: `host:port`. */
  readonly address: string;
  /** Which address it had dialled: the one to send to, or the one to listen at. */
  readonly role: "send" | "listen";
  /** Why: the code of the error. */
  readonly code: string;
  /** The error in words. */
  readonly message: string;
  /** What may be wrong at the other end; empty where there is nothing to guess. */
  readonly hint: string;
}

/** A connection to one of the broker's two addresses. */
export interface BusConnection {
  /** Does it send, or listen? */
  readonly role: "send" | "listen";
  /** Where it comes from: `host:port`. */
  readonly address: string;
  /** Since when it is in, in milliseconds since 1970. */
  readonly since: number;
  /** When something was read from it last. */
  readonly lastHeard: number;
  /** Messages that it sent; of a listener, those that were written to it. */
  readonly messages: number;
  /** Bytes of these. */
  readonly bytes: number;
  /** Messages that wait for a listener. */
  readonly queued: number;
  /** Messages that a listener lost since it is in. */
  readonly dropped: number;
  /** Milliseconds for which the senders waited for a listener. */
  readonly waitedMs: number;
  /** The name of its key, where there is one; else what the program calls itself, by the option `name` of clients of ours. */
  readonly name: string | undefined;
  /** The program behind it: all connections of one client of ours have the same. */
  readonly instanceId: string | undefined;
  /** Its process, where it said so. */
  readonly pid: number | undefined;
  /** With CURVE: its public key. */
  readonly publicKey: string | undefined;
}

/** A connection as its socket knows it. */
export function connectionOf(
  role: BusConnection["role"],
  stats: PeerStats,
  now: number,
  keyName?: string,
): BusConnection {
  const { peer, connectedMs, silentMs, messages, bytes, queuedMessages, dropped, waitedMs, publicKey } =
    stats;
  return {
    role,
    address: peer.address,
    ...identityOf(peer),
    ...(keyName === undefined ? {} : { name: keyName }), // It has proven that, and not what it says of itself.
    since: Math.round(now - connectedMs),
    lastHeard: Math.round(now - silentMs),
    messages,
    bytes,
    queued: queuedMessages,
    dropped,
    waitedMs: Math.round(waitedMs),
    publicKey,
  };
}

/** So many are remembered. */
const REMEMBERED = 50;
/** Of each refused text so much. */
const TEXT_CHARACTERS = 100;
/** A character of UTF-8 takes four bytes at most. */
const TEXT_BYTES = 4 * TEXT_CHARACTERS;
/** What was refused, and who could not join: the last of each. */
export class Presence {
  // Decoded when somebody asks: a flood of refusals costs no more than their bytes' copies.
  readonly #refusals = new Ring<() => Refusal>(REMEMBERED);
  readonly #handshakes = new Ring<FailedHandshake>(REMEMBERED);

  /** `bytes[start, end)` were refused. */
  refuse(
    time: number,
    reason: Refusal["reason"],
    sender: Named | undefined,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): () => Refusal {
    const head = bytes.slice(start, Math.min(end, start + TEXT_BYTES));
    return this.#add(() => ({ time, reason, sender: describe(sender), text: textOf(head) }));
  }

  /** Something was refused whose bytes were not kept. */
  refuseUnfit(
    time: number,
    reason: Refusal["reason"],
    sender: Named | undefined,
    size: number,
    parts: number,
  ): () => Refusal {
    const text = parts > 1 ? `(${parts} frames, ${size} bytes)` : `(${size} bytes)`;
    return this.#add(() => ({ time, reason, sender: describe(sender), text }));
  }

  /** A handshake came to no good end. */
  failHandshake(
    time: number,
    role: FailedHandshake["role"],
    address: string,
    error: Error & { readonly code?: string },
  ): FailedHandshake {
    const { code = error.name, message } = error;
    const failed = { time, address, role, code, message, hint: handshakeHint(role, code, message) };
    this.#handshakes.push(failed);
    return failed;
  }

  /** The last refusals, oldest first. */
  refusals(): readonly Refusal[] {
    return this.#refusals.items().map((describe) => describe());
  }

  /** The last failed handshakes, oldest first. */
  failedHandshakes(): readonly FailedHandshake[] {
    return this.#handshakes.items();
  }

  #add(make: () => Refusal): () => Refusal {
    let refusal: Refusal | undefined;
    const once = () => refusal ??= make();
    this.#refusals.push(once);
    return once;
  }
}

/** The newest of what was pushed. */
class Ring<T> {
  readonly #items: T[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  push(item: T): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#size;
  }

  /** Oldest first. */
  items(): T[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)];
  }
}

function describe(peer: Named | undefined): string {
  if (peer === undefined) return "this process";
  // It has proven the one, and said the other.
  const name = peer.keyName ?? identityOf(peer).name;
  return name === undefined ? peer.address : `${peer.address} (${name})`;
}

function textOf(bytes: Uint8Array): string {
  // A character may be cut at the end; by then 100 are there.
  return Array.from(decoder.decode(bytes)).slice(0, TEXT_CHARACTERS).join("");
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
