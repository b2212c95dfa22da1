/**
 * One connection's state machine: bytes in, events and bytes out. It does no I/O and reads no clock: whoever owns the
 * socket passes the time.
 *
 * ```text
 *   greeting ──64 bytes──▶ handshake ──their READY──▶ undecided ──allowed──▶ ready
 *       │                      │ └──── nobody is asked ────┼─────────────────▶ │
 *       └──────────────────────┴─── fault, deadline ───────┴───────────────────┴──▶ dead
 * ```
 *
 * In which state what is taken, and what ends it too late:
 *
 * | state       | takes                      | deadlines                   |
 * | ----------- | -------------------------- | --------------------------- |
 * | `greeting`  | the peer's 64 bytes        | `handshake`                 |
 * | `handshake` | commands of the mechanism  | `handshake`                 |
 * | `undecided` | `decide`; frames are held  | `handshake`                 |
 * | `ready`     | messages, commands         | `ping`, `pong`, `ttl`, `message` |
 * | `dead`      | nothing                    | none                        |
 *
 * @module
 */
import { ConnectionError, HandshakeError, ProtocolError } from "../base/errors.ts";
import {
  encodeError,
  encodeLegacySubscription,
  encodePing,
  encodePong,
  encodeSubscription,
  type Metadata,
  parseCommand,
  parseError,
  parseLegacySubscription,
  parsePing,
  socketTypeOf,
  type SubscriptionChange,
} from "./command.ts";
import { frameBodyStart, FrameDecoder, frameEnd } from "./frame.ts";
import { checkGreetingStart, encodeGreeting, parseGreeting, printable } from "./greeting.ts";
import type { MemoryBudget, MemoryHolder } from "../base/memory_budget.ts";
import type { Mechanism, MessageBox } from "./mechanism.ts";
import { canTalk, peersOf, type SocketType } from "./socket_type.ts";
import {
  FIRST_ALLOCATION_BYTES,
  FLAG_COMMAND,
  FLAG_LONG,
  FLAG_MORE,
  GREETING_SIZE,
  HANDSHAKE_TIMEOUT_MS,
  MAX_COMMAND_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_NOISE_PER_SECOND,
  MAX_PARTS,
  MAX_SKIPPED_BYTES,
  TTL_FLOOR_MS,
} from "./wire.ts";

/** Where a session stands: see the module. */
export type SessionState = "greeting" | "handshake" | "undecided" | "ready" | "dead";

/** What becomes of an undecided peer: `failed` is for a decision that could not be made. */
export type Decision = "allow" | "deny" | "temporary" | "failed";

/** The times by which something must have happened; `Infinity` where nothing is waited for. */
interface Deadlines {
  /** Both READYs must be exchanged by then, however busily the peer talks: a slow handshake is not prolonged. */
  handshake: number;
  /** Then it is time for our next PING. */
  ping: number;
  /** By then a peer that was sent a PING must have said anything at all. */
  pong: number;
  /** By then a peer that asked us for it, by the ttl of its PING, must have said anything at all. */
  ttl: number;
  /** By then some more must have come of a message that has begun. */
  message: number;
}

const NO_DEADLINES: Readonly<Deadlines> = {
  handshake: Infinity,
  ping: Infinity,
  pong: Infinity,
  ttl: Infinity,
  message: Infinity,
};

/** Why a session died by itself. */
export type SessionFault = ProtocolError | HandshakeError | ConnectionError;

/** Who the peer is, as far as it said so. */
export interface Peer {
  /** `PUSH`, `SUB` … */
  readonly socketType: string;
  /** Minor version that both sides talk: 0 or 1. */
  readonly minor: number;
  /** All properties of its READY. */
  readonly metadata: Metadata;
}

/** Takes what a session finds out, in the order of the stream, while `receive` or `tick` runs. Each role has what it needs. */
export interface SessionHandler {
  /** The handshake is over. */
  handleReady(peer: Peer): void;
  /**
   * For PULL and SUB: a message of one frame, `bytes[start, end)` with its body from `bodyStart` on. The bytes stay as they are until
   * `receive` returns: the broker passes on together what one read brought.
   */
  handleMessage?(bytes: Uint8Array, start: number, bodyStart: number, end: number): void;
  /** For PULL and SUB: a message that is not handed over. It has several frames, or one above the limit. Its bytes were not kept. */
  handleUnfit?(reason: "multipart" | "too-large", size: number, parts: number): void;
  /** For PUB: SUBSCRIBE or CANCEL in either form. The topic is a view on bytes that may be overwritten. */
  handleSubscription?(change: SubscriptionChange): void;
  /** The answer to a PING of ours, with the context of that; a view on bytes that may be overwritten. */
  handlePong?(context: Uint8Array): void;
  /** A frame that means nothing to our role. It was dropped. */
  handleNoise?(): void;
}

/** Options of a session. */
export interface SessionOptions {
  /** Our role. */
  readonly socketType: SocketType;
  /** The mechanism's part of the handshake. */
  readonly mechanism: Mechanism;
  /** Bytes of a message's body at most; larger ones are skipped. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** Milliseconds for the whole handshake. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /** Milliseconds between two PINGs; 0 for none. @default 0 */
  readonly heartbeatMs?: number;
  /** Milliseconds without a byte of a message that has begun; 0 for any. @default 0 */
  readonly messageTimeoutMs?: number | undefined;
  /** What unfinished messages of many connections may use together. @default no such limit */
  readonly memory?: MemoryBudget | undefined;
  /** Who holds that memory for us; {@linkcode Session.giveWay} is how it gives it back. */
  readonly holder?: MemoryHolder | undefined;
  /** The owner says by `decide` who is taken. @default false: whoever gets that far */
  readonly decides?: boolean;
}

/** A whole frame that came too early to be looked at. */
interface HeldFrame {
  readonly bytes: Uint8Array;
  readonly bodyStart: number;
}

/** One connection, without the connection. */
export class Session {
  readonly #options: SessionOptions;
  readonly #handler: SessionHandler;
  readonly #mechanism: Mechanism;
  readonly #decoder: FrameDecoder;
  #state: SessionState = "greeting";
  #fault: SessionFault | undefined;
  #peer: Peer | undefined;
  /** Invariant: while `greeting`, the first `#greetingSize` bytes of the peer. */
  readonly #greeting: Uint8Array = new Uint8Array(GREETING_SIZE);
  #greetingSize = 0;
  #theirMinor = 0;
  /** Frames of ours that are not taken yet. The last PONG stays apart: a flood of PINGs is answered once. */
  #output: Uint8Array[];
  #pong: Uint8Array | undefined;
  /** When the peer said PING last, or became ready; and how often it seems to do so. */
  #pingedAt = 0;
  #theirHeartbeatMs = Infinity;
  /** The message in progress, when it has several frames. */
  #parts = 0;
  #partBytes = 0;
  #partsTooLarge = false;
  readonly #deadlines: Deadlines = { ...NO_DEADLINES };
  #now: number;
  #heardAt: number;
  /** When bytes came last that were more than signs of life; until then, when READY did. */
  #spokeAt = 0;
  #hasSpoken = false;
  /** Bytes of the read in progress that are signs of life, and no more. */
  #lifeBytes = 0;
  /** Where frames go that are not taken as they are: under CURVE all, and those that come while the peer is undecided. */
  #detour: ((bytes: Uint8Array, start: number, bodyStart: number, end: number) => void) | undefined;
  #box: MessageBox | undefined;
  /** What the peer said about itself, and what came behind it in the same chunk, while the owner decides. */
  #undecided: { readonly metadata: Metadata; readonly frames: HeldFrame[]; bytes: number } | undefined;
  #noise = 0;
  #noiseSince = 0;

  constructor(options: SessionOptions, handler: SessionHandler, now: number) {
    this.#options = options;
    this.#handler = handler;
    this.#mechanism = options.mechanism;
    const { overhead } = options.mechanism;
    const maxMessageBytes = (options.maxMessageBytes ?? MAX_MESSAGE_BYTES) + (overhead ?? 0);
    // Only what is opened can tell whether more frames follow, so a box above the limit cannot be skipped: it ends the
    // connection, as it does for libzmq.
    const { memory, holder } = options;
    const limits = overhead === undefined
      ? { maxMessageBytes, memory, holder, skipsParts: true }
      : { maxMessageBytes, maxSkippedBytes: maxMessageBytes, memory, holder };
    this.#decoder = new FrameDecoder(limits, {
      handleFrame: (bytes, start, bodyStart, end) => this.#route(bytes, start, bodyStart, end),
      handleSkippedFrame: (flags, size) => this.#handleSkippedFrame(flags, size),
    });
    this.#decoder.commandsOnly = true;
    // Never wait for the peer's greeting: libzmq sends ten bytes and waits for ours.
    this.#output = [encodeGreeting(options.mechanism.name, options.mechanism.asServer)];
    this.#now = this.#heardAt = now;
    this.#deadlines.handshake = now + (options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS);
  }

  /** Where it stands. While it is undecided nothing more should be read. */
  get state(): SessionState {
    return this.#state;
  }

  /** Who the peer is, from READY on. */
  get peer(): Peer | undefined {
    return this.#peer;
  }

  /** The long-term public key that the peer has proven to own, with CURVE. */
  get peerKey(): Uint8Array | undefined {
    return this.#mechanism.peerKey;
  }

  /** Name of the security mechanism. */
  get mechanism(): string {
    return this.#mechanism.name;
  }

  /** What the outbox's frames must go through before they are written; undefined where they are written as they are. */
  get box(): MessageBox | undefined {
    return this.#box;
  }

  /** Why a peer may have hung up now; undefined where there is nothing to guess. */
  get hangUpHint(): string | undefined {
    if (this.#state === "handshake") return this.#mechanism.hangUpHint;
    // They read our version and leave; JeroMQ 0.3 does so with ten bytes, ten times a second.
    const hasBegun = this.#state === "greeting" && this.#greetingSize > 0;
    return hasBegun ? "is its ZMTP older than 3, as in libzmq before 4.0 or JeroMQ before 0.6?" : undefined;
  }

  /** When {@linkcode Session.tick} must be called at the latest; `Infinity` while nothing is waited for. */
  get deadline(): number {
    const { handshake, ping, pong, ttl, message } = this.#deadlines;
    return Math.min(handshake, ping, pong, ttl, message);
  }

  /** Takes bytes of the peer. Returns the fault that they caused, if any; after that the session stays dead. */
  receive(chunk: Uint8Array, now: number): SessionFault | undefined {
    return this.#hear(now, chunk.length, () => {
      const rest = this.#state === "greeting" ? this.#receiveGreeting(chunk) : chunk;
      if (rest.length > 0) this.#decoder.push(rest);
    });
  }

  /**
   * Where the next bytes of the peer can be read to instead of a buffer for {@linkcode Session.receive}: into the large message
   * of which they are a part. Undefined at most times.
   */
  get room(): Uint8Array | undefined {
    return this.#state === "ready" ? this.#decoder.room : undefined;
  }

  /** Takes so many bytes of the peer that were read into {@linkcode Session.room}. In all else it is `receive`. */
  filled(size: number, now: number): SessionFault | undefined {
    return this.#hear(now, size, () => this.#decoder.filled(size));
  }

  /** Decides about an undecided peer. Returns the fault that it caused, if any. */
  decide(decision: Decision, now: number): SessionFault | undefined {
    if (this.#state !== "undecided") return this.#fault;
    const undecided = this.#undecided!;
    this.#now = now;
    this.#undecided = this.#detour = undefined;
    return this.#attempt(() => {
      if (decision !== "allow") throw this.#refuse(decision);
      this.#acceptPeer(undecided.metadata);
      for (const { bytes, bodyStart } of undecided.frames) this.#route(bytes, 0, bodyStart, bytes.length);
    });
  }

  /** Bytes of memory that a message uses which has begun. */
  get heldBytes(): number {
    return this.#decoder.heldBytes;
  }

  /** When the last bytes of the peer came. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Has the peer said anything since READY but PING and PONG? */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** When it did so last; before the first time, when it said READY. */
  get spokeAt(): number {
    return this.#spokeAt;
  }

  /** Nobody looks any more at what was handed over. */
  endTurn(): void {
    this.#decoder.endTurn(this.#box !== undefined);
  }

  /** Memory is short: gives back at once what a message uses that has begun. Returns the fault that this is. */
  giveWay(): SessionFault {
    this.#decoder.forget();
    return this.#fault ?? this.#die(
      new ProtocolError(
        "memory-budget",
        "Cannot keep connection: memory is short, and its unfinished message has held most of it for longest",
      ),
    );
  }

  /** Lets time pass: deadlines and heartbeats. Returns the fault that it caused, if any. */
  tick(now: number): SessionFault | undefined {
    if (this.#state === "dead") return this.#fault;
    this.#now = now;
    const deadlines = this.#deadlines;
    if (now >= deadlines.handshake) {
      const limit = this.#options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
      return this.#die(
        new HandshakeError(
          "handshake-timeout",
          `Cannot finish handshake: state is ${this.#state} after ${limit} ms`,
        ),
      );
    }
    if (now >= deadlines.pong || now >= deadlines.ttl) {
      return this.#die(
        new ConnectionError("heartbeat-timeout", "Cannot keep connection: the peer is silent"),
      );
    }
    if (now >= deadlines.message) {
      return this.#die(
        new ProtocolError(
          "message-timeout",
          `Cannot keep connection: a message has begun, and nothing more of it came for ${this.#options.messageTimeoutMs} ms`,
        ),
      );
    }
    if (now >= deadlines.ping) {
      this.ping();
      deadlines.ping = now + this.#heartbeatMs;
      deadlines.pong = Math.min(deadlines.pong, now + this.#heartbeatMs);
    }
    return undefined;
  }

  /** Empties the bytes that the session itself has to say: greeting, handshake, PONG, subscriptions. */
  takeOutput(): Uint8Array | undefined {
    if (this.#pong !== undefined) {
      this.#sayFrame(this.#pong);
      this.#pong = undefined;
    }
    if (this.#output.length === 0) return undefined;
    const output = this.#output;
    this.#output = [];
    return output.length === 1 ? output[0] : concat(output);
  }

  /** Is there anything for {@linkcode Session.takeOutput}? */
  get hasOutput(): boolean {
    return this.#output.length > 0 || this.#pong !== undefined;
  }

  /** Says PING with a context of 16 bytes at most; the answer comes as `handlePong`. Only from READY on. */
  ping(context?: Uint8Array): void {
    this.#sayFrame(encodePing(2 * this.#heartbeatMs, context));
  }

  /**
   * A peer whose PINGs are not read for a while must hear so often that we are there; `Infinity` for one that says none. No more
   * often than that, since what is said to a peer that has sent a burst and gone destroys what the operating systems still hold of it.
   */
  get aliveMs(): number {
    return this.#theirHeartbeatMs / 2;
  }

  /** Says that we are there. */
  sayAlive(): void {
    this.#pong ??= encodePong(NO_CONTEXT);
  }

  /** Says SUBSCRIBE or CANCEL in the form that the peer understands. Only from READY on. */
  changeSubscription(change: SubscriptionChange): void {
    this.#sayFrame(this.#peer!.minor >= 1 ? encodeSubscription(change) : encodeLegacySubscription(change));
  }

  /** Forgets what has not come whole and overwrites the secrets of the connection, when it is gone. */
  forget(): void {
    this.#decoder.forget();
    this.#output = [];
    this.#pong = undefined;
    this.#mechanism.forget?.();
  }

  get #heartbeatMs(): number {
    return this.#options.heartbeatMs ?? 0;
  }

  #hear(now: number, size: number, take: () => void): SessionFault | undefined {
    if (this.#state === "dead") return this.#fault;
    this.#now = this.#heardAt = now;
    const { memory } = this.#options;
    if (memory !== undefined) memory.now = now;
    // Bytes are a sign of life, not whole frames: libzmq cuts a large message on a slow line for lack of them (#2709).
    const deadlines = this.#deadlines;
    deadlines.pong = deadlines.ttl = Infinity;
    const wasReady = this.#state === "ready";
    this.#lifeBytes = 0;
    const fault = this.#attempt(take);
    this.#box?.endTurn();
    if (wasReady && size > this.#lifeBytes) {
      this.#spokeAt = now;
      this.#hasSpoken = true;
    }
    const { messageTimeoutMs = 0 } = this.#options;
    if (messageTimeoutMs > 0 && fault === undefined && this.#state === "ready") {
      deadlines.message = this.#decoder.isUnfinished || this.#parts > 0 ? now + messageTimeoutMs : Infinity;
    }
    return fault;
  }

  #die(fault: SessionFault): SessionFault {
    this.#state = "dead";
    this.#fault = fault;
    this.#undecided = undefined;
    Object.assign(this.#deadlines, NO_DEADLINES);
    return fault;
  }

  #receiveGreeting(chunk: Uint8Array): Uint8Array {
    const take = Math.min(GREETING_SIZE - this.#greetingSize, chunk.length);
    this.#greeting.set(chunk.subarray(0, take), this.#greetingSize);
    this.#greetingSize += take;
    checkGreetingStart(this.#greeting.subarray(0, this.#greetingSize));
    if (this.#greetingSize === GREETING_SIZE) {
      const { minor, mechanism } = parseGreeting(this.#greeting);
      if (mechanism !== this.#mechanism.name) {
        throw new HandshakeError(
          "mechanism-mismatch",
          `Cannot shake hands: peer uses mechanism ${printable(mechanism)}, we use ${this.#mechanism.name}`,
        );
      }
      this.#theirMinor = Math.min(minor, 1);
      this.#state = "handshake";
      this.#say(this.#mechanism.start());
    }
    return chunk.subarray(take);
  }

  #route(bytes: Uint8Array, start: number, bodyStart: number, end: number): void {
    if (this.#detour === undefined) this.#handleFrame(bytes, start, bodyStart, end);
    else this.#detour(bytes, start, bodyStart, end);
  }

  /** The hot path: a frame of a message goes to the handler in two comparisons. */
  #handleFrame(bytes: Uint8Array, start: number, bodyStart: number, end: number): void {
    const flags = bytes[start]!;
    if ((flags & FLAG_COMMAND) !== 0) return this.#handleCommand(bytes.subarray(bodyStart, end), flags);
    if ((flags & FLAG_MORE) !== 0 || this.#parts > 0) {
      return this.#handlePart((flags & FLAG_MORE) !== 0, end - bodyStart, false);
    }
    switch (this.#options.socketType) {
      case "PULL":
      case "SUB":
        return this.#handler.handleMessage!(bytes, start, bodyStart, end);
      case "PUB": {
        const change = parseLegacySubscription(bytes.subarray(bodyStart, end));
        return change === undefined ? this.#drop() : this.#handler.handleSubscription!(change);
      }
      case "PUSH":
        return this.#drop();
    }
  }

  #handleSkippedFrame(flags: number, size: number): void {
    if (this.#state === "undecided") throw tooEarly();
    if ((flags & FLAG_MORE) !== 0 || this.#parts > 0) {
      const isTooLarge = size > (this.#options.maxMessageBytes ?? MAX_MESSAGE_BYTES);
      return this.#handlePart((flags & FLAG_MORE) !== 0, size, isTooLarge);
    }
    this.#handleUnfit("too-large", size, 1);
  }

  /** The parts of a message are counted, not kept: a message of the bus has one frame. */
  #handlePart(more: boolean, size: number, tooLarge: boolean): void {
    this.#parts++;
    this.#partBytes += size;
    this.#partsTooLarge ||= tooLarge;
    if (this.#parts > MAX_PARTS || this.#partBytes > MAX_SKIPPED_BYTES) {
      throw new ProtocolError(
        "frame-too-large",
        `Cannot take message: it has ${this.#parts} frames of ${this.#partBytes} bytes so far, ` +
          `limits are ${MAX_PARTS} and ${MAX_SKIPPED_BYTES}`,
      );
    }
    if (more) return;
    const reason = this.#partsTooLarge ? "too-large" : "multipart";
    const [bytes, parts] = [this.#partBytes, this.#parts];
    this.#parts = this.#partBytes = 0;
    this.#partsTooLarge = false;
    this.#handleUnfit(reason, bytes, parts);
  }

  #handleUnfit(reason: "multipart" | "too-large", size: number, parts: number): void {
    const { socketType } = this.#options;
    if (socketType === "PULL" || socketType === "SUB") this.#handler.handleUnfit!(reason, size, parts);
    else this.#drop();
  }

  #handleCommand(body: Uint8Array, flags: number): void {
    const { name, data } = parseCommand(body);
    if (this.#state === "handshake") return this.#handleHandshake(name, data, (flags & FLAG_LONG) !== 0);
    if (name === "PING" || name === "PONG") {
      // The frame's flags, its size, and, under CURVE, the box around it.
      this.#lifeBytes += 2 + body.length + (this.#mechanism.overhead ?? 0);
    }
    switch (name) {
      case "PING": {
        const { ttlMs, context } = parsePing(data);
        if (ttlMs > 0) this.#deadlines.ttl = this.#now + Math.max(TTL_FLOOR_MS, ttlMs);
        this.#pong = encodePong(context);
        this.#seeHeartbeat(ttlMs);
        return;
      }
      case "PONG":
        return this.#handler.handlePong?.(data);
      case "SUBSCRIBE":
      case "CANCEL":
        if (this.#options.socketType !== "PUB") return this.#drop();
        return this.#handler.handleSubscription!({ subscribe: name === "SUBSCRIBE", topic: data });
      default:
        return this.#drop();
    }
  }

  #seeHeartbeat(ttlMs: number): void {
    // What one read brings together says nothing of the time between.
    const betweenMs = this.#now - this.#pingedAt;
    this.#pingedAt = this.#now;
    for (const ms of [betweenMs, ttlMs / 2]) {
      if (ms >= SHORTEST_HEARTBEAT_MS && ms < this.#theirHeartbeatMs) this.#theirHeartbeatMs = ms;
    }
  }

  #handleHandshake(name: string, data: Uint8Array, isLong: boolean): void {
    if (name === "ERROR") {
      const reason = printable(parseError(data));
      throw new HandshakeError("refused-by-peer", `Cannot shake hands: the peer answered ERROR ${reason}`);
    }
    const step = this.#mechanism.handleCommand({ name, data }, isLong);
    if ("send" in step) this.#say(step.send);
    else if (this.#options.decides) this.#holdBack(step.metadata);
    else this.#acceptPeer(step.metadata);
  }

  /** Keeps what is still in the chunk until the owner has decided; more must not be read. */
  #holdBack(metadata: Metadata): void {
    this.#state = "undecided";
    const undecided = this.#undecided = { metadata, frames: [] as HeldFrame[], bytes: 0 };
    this.#decoder.commandsOnly = false;
    this.#detour = (bytes, start, bodyStart, end) => {
      undecided.bytes += end - start;
      if (undecided.bytes > FIRST_ALLOCATION_BYTES) throw tooEarly();
      undecided.frames.push({ bytes: bytes.slice(start, end), bodyStart: bodyStart - start });
    };
  }

  /** Our last words to a peer that is not taken. ERROR makes a libzmq client give up for ever, a mere end makes it try again. */
  #refuse(decision: Decision): HandshakeError {
    switch (decision) {
      case "deny":
        this.#say(encodeError("400"));
        return new HandshakeError("denied", "Cannot take peer: authorisation denies it");
      case "temporary":
        return new HandshakeError("temporarily-denied", "Cannot take peer: authorisation denies it for now");
      default:
        return new HandshakeError("authorize-failed", "Cannot take peer: authorisation came to no decision");
    }
  }

  #acceptPeer(metadata: Metadata): void {
    const our = this.#options.socketType;
    const socketType = socketTypeOf(metadata);
    if (!canTalk(our, socketType)) {
      // ERROR makes a libzmq client give up for ever, so it is only sent where trying again is of no use.
      this.#say(encodeError("Invalid socket type"));
      throw new HandshakeError(
        "socket-type-mismatch",
        `Cannot shake hands: peer is a ${printable(socketType)}, a ${our} talks to ${peersOf(our)}`,
      );
    }
    this.#say(this.#mechanism.accept());
    this.#state = "ready";
    this.#spokeAt = this.#now;
    this.#deadlines.handshake = Infinity;
    this.#pingedAt = this.#now;
    this.#decoder.commandsOnly = false;
    this.#box = this.#mechanism.box;
    if (this.#box !== undefined) this.#openFrames(this.#box);
    if (this.#heartbeatMs > 0) this.#deadlines.ping = this.#now + this.#heartbeatMs;
    this.#peer = { socketType, minor: this.#theirMinor, metadata };
    this.#handler.handleReady(this.#peer);
  }

  /** From now on every frame must be in a box. What was in it goes the way that frames without one go. */
  #openFrames(box: MessageBox): void {
    this.#detour = (bytes, start, bodyStart, end) => {
      const at = box.open(bytes, start, bodyStart, end);
      const { block } = box;
      const [openedBody, openedEnd] = [frameBodyStart(block, at), frameEnd(block, at)];
      if ((block[at]! & FLAG_COMMAND) !== 0 && openedEnd - openedBody > MAX_COMMAND_BYTES) {
        throw new ProtocolError(
          "frame-too-large",
          `Cannot take command: it has ${openedEnd - openedBody} bytes, limit is ${MAX_COMMAND_BYTES}`,
        );
      }
      this.#handleFrame(block, at, openedBody, openedEnd);
    };
  }

  #say(frames: Uint8Array | undefined): void {
    if (frames !== undefined) this.#output.push(frames);
  }

  /** For what comes after READY. It is sealed at once: nonces rise in the order of the calls, and so does what is written. */
  #sayFrame(frame: Uint8Array): void {
    this.#output.push(this.#box === undefined ? frame : this.#box.seal(frame));
  }

  /** What the peer broke ends the session; a mistake of ours is nobody's fault but ours. */
  #attempt(action: () => void): SessionFault | undefined {
    try {
      action();
    } catch (error) {
      if (!(error instanceof ProtocolError || error instanceof HandshakeError)) throw error;
      if (error.code === "bad-metadata") this.#say(encodeError("Invalid metadata"));
      return this.#die(error);
    }
    return undefined;
  }

  #drop(): void {
    this.#handler.handleNoise?.();
    if (this.#now - this.#noiseSince >= 1000) {
      this.#noiseSince = this.#now;
      this.#noise = 0;
    }
    if (++this.#noise > MAX_NOISE_PER_SECOND) {
      throw new ProtocolError(
        "too-much-noise",
        `Cannot keep connection: more than ${MAX_NOISE_PER_SECOND} frames in a second that mean nothing to a ` +
          this.#options.socketType,
      );
    }
  }
}

/** A peer's heartbeats are not closer together. */
const SHORTEST_HEARTBEAT_MS = 100;
const NO_CONTEXT = new Uint8Array(0);

function tooEarly(): ProtocolError {
  return new ProtocolError("unexpected-before-ready", "Cannot take frames: READY was not said yet");
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
