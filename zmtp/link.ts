/**
 * A link: one connection with its session and its outbox, one loop that reads and one that writes. It sees the socket as four
 * methods and the time as a number, so it names neither Deno nor a timer.
 *
 * @module
 */
import { ClosedError, ConnectionError } from "../base/errors.ts";
import type { Connection } from "./connection.ts";
import type { MessageBox } from "./mechanism.ts";
import type { MemoryBudget, MemoryHolder } from "../base/memory_budget.ts";
import type { Outbox } from "./outbox.ts";
import { type ReadGate, Turn } from "./read_gate.ts";
import {
  type Decision,
  Session,
  type SessionFault,
  type SessionHandler,
  type SessionOptions,
} from "./session.ts";
import { freeBuffer, giveReadBuffer, SMALL_READ_BYTES, takeReadBuffer } from "./read_buffers.ts";
import { LARGE_READ_BYTES } from "./wire.ts";

/** So many times larger is the buffer for the next read when one was filled: 4, 32, 256 KiB. */
const READ_GROWTH = 8;
/** After the last byte is written we wait so long for the peer's end: closing at once may destroy what is under way. */
export const LEAVE_TIMEOUT_MS = 1000;

/** What looks at the deadlines of links. */
export interface LinkClock {
  /** Milliseconds from an arbitrary start; never goes back. */
  now(): number;
  /** A link whose deadlines count from now on. */
  add(link: Link): void;
  /** A link that is gone. */
  remove(link: Link): void;
  /** Some link's deadline may have come nearer. */
  expect(due: number): void;
}

/** Takes what a link finds out. */
export interface LinkHandler extends SessionHandler {
  /** All events of one read have been handed over: now is the time to send on what they brought. */
  handleTurnEnd?(): void;
  /** When {@linkcode LinkHandler.handleTick} must be called at the latest. */
  readonly deadline?: number;
  /** Time has passed. */
  handleTick?(now: number): void;
  /** Bytes of what the outbox gave have been handed to the operating system; with CURVE those of their boxes. */
  handleProgress?(bytes: number): void;
  /** Messages of the outbox have been handed to the operating system, so many bytes with their headers. */
  handleWritten?(messages: number, bytes: number): void;
  /** Does the peer wait for what we send? Then the connection is of use to it, however silent it is. @default false */
  readonly isWaiting?: boolean;
  /** All events of one read have been handed over. For how many milliseconds should nothing more be read? */
  restMs?(now: number): number;
  /** The link is of no more use. Called once, at once; the socket may take a moment longer to close. */
  handleEnd(reason: Error): void;
}

/** Options of a link. */
export interface LinkOptions extends Omit<SessionOptions, "decides" | "holder"> {
  /** Bytes of one read at most, but for the rest of a large message, which is read to where it belongs. @default 256 KiB */
  readonly maxReadBytes?: number;
  /** What is read from the peer waits here for its turn. @default nothing waits */
  readonly gate?: ReadGate | undefined;
  /** Decides about the peer at the end of the handshake; must not reject. Meanwhile the connection is not read. */
  readonly decide?:
    | ((peer: { readonly session: Session; readonly hostname: string }) => Promise<Decision>)
    | undefined;
}

/** One connection with its session, its outbox and its two loops. */
export class Link implements MemoryHolder {
  /** The peer's address as `host:port`. */
  readonly remoteAddress: string;
  /** The protocol's state. */
  readonly session: Session;
  /** What waits to be written, once the session is ready. */
  readonly outbox: Outbox;
  readonly #conn: Connection;
  readonly #handler: LinkHandler;
  readonly #clock: LinkClock;
  readonly #decide: LinkOptions["decide"];
  readonly #memory: MemoryBudget | undefined;
  readonly #maxReadBytes: number;
  readonly #gone: PromiseWithResolvers<void> = Promise.withResolvers();
  /** Resolves when the handshake is over, well or not. */
  readonly #settled: PromiseWithResolvers<void> = Promise.withResolvers();
  #isSettled = false;
  #reading: Promise<void> | undefined;
  #writing: Promise<void> | undefined;
  /** Apart from `#writing`, since a loop that finds nothing to write is over before its promise is known. */
  #isWriting = false;
  #idleWaiters: (() => void)[] = [];
  /** Bytes of what the outbox gave that are written; in their boxes where there is `#sealed`. */
  #writtenBytes = 0;
  /** What is being written under CURVE: frames as the outbox gave them, and how many bytes their boxes have. */
  #sealed: { readonly frames: Uint8Array; readonly bytes: Uint8Array } | undefined;
  /** When the present write began, or the last one. */
  #writeAt = 0;
  /** What is read to instead of the connection's own small buffer. */
  #largeBuffer: Uint8Array<ArrayBuffer> | undefined;
  #hasEnded = false;
  #isClosed = false;
  /** Its turns at the gate. */
  readonly #turn: Turn | undefined;
  /** Nothing is read until then. */
  #resting: { readonly until: number; readonly resolve: () => void } | undefined;
  /** When an ending link closes its socket at the latest. */
  #leaveBy = Infinity;

  constructor(
    conn: Connection,
    options: LinkOptions,
    outbox: Outbox,
    handler: LinkHandler,
    clock: LinkClock,
  ) {
    this.#conn = conn;
    this.#handler = handler;
    this.#clock = clock;
    this.outbox = outbox;
    this.#decide = options.decide;
    this.#turn = options.gate && new Turn(options.gate);
    this.#memory = options.memory;
    this.#maxReadBytes = options.maxReadBytes ?? LARGE_READ_BYTES;
    this.session = new Session(
      { ...options, decides: options.decide !== undefined, holder: this },
      handler,
      clock.now(),
    );
    const { hostname, port } = conn.remoteAddr;
    this.remoteAddress = hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`;
  }

  /** Starts both loops. */
  start(): void {
    try {
      // Off by default in Deno, always on in libzmq: without it two small writes in a row take 40 ms.
      this.#conn.setNoDelay(true);
    } catch (cause) {
      // Some systems refuse it for a connection that the peer has reset already.
      this.#end(new ConnectionError("connection-lost", `Cannot use ${this.remoteAddress}`, { cause }));
      return this.#close();
    }
    this.#clock.add(this);
    this.#memory?.join(this);
    this.#reading = this.#read();
    this.wake();
  }

  /** Resolves when the socket is closed and both loops have ended. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Resolves when the handshake is over, well or not. */
  get settled(): Promise<void> {
    return this.#settled.promise;
  }

  /** Bytes that the outbox gave and that were written before the link was gone. */
  get writtenBytes(): number {
    const { box } = this.session;
    if (box === undefined || this.#sealed === undefined) return this.#writtenBytes;
    return box.plainOffset(this.#sealed.frames, this.#writtenBytes);
  }

  /** See {@linkcode Session.heldBytes}. */
  get heldBytes(): number {
    return this.session.heldBytes;
  }

  /** See {@linkcode Session.heardAt}; now when it is us who keep it waiting. */
  get lastProgress(): number {
    return this.#turn?.isAwaited ? this.#clock.now() : this.session.heardAt;
  }

  /** When the peer took something last; now when nothing waits for it. */
  get lastWrite(): number {
    return this.#isWriting ? this.#writeAt : this.#clock.now();
  }

  /** Memory is short: the message that has begun is forgotten at once, and the connection ended. */
  giveWay(): boolean {
    const fault = this.session.giveWay();
    // In its own time: whoever asked for memory may be in the middle of anything.
    queueMicrotask(() => {
      this.#end(fault);
      this.#close();
    });
    return true;
  }

  /** Since when the connection has been of no use to its peer; undefined when it is, or its handshake is not over. */
  get idleSince(): number | undefined {
    return this.session.state !== "ready" || this.#turn?.isAwaited || this.#handler.isWaiting
      ? undefined
      : this.session.spokeAt;
  }

  /** See {@linkcode Session.deadline}. */
  get deadline(): number {
    if (this.#hasEnded) return this.#leaveBy;
    if (this.#turn?.isAwaited) return this.#turn.aliveAt;
    if (this.#resting !== undefined) return Math.min(this.#resting.until, this.#handler.deadline ?? Infinity);
    return Math.min(this.session.deadline, this.#handler.deadline ?? Infinity);
  }

  /** Something may have to be written. */
  wake(): void {
    if (this.#isWriting || this.#isClosed) return;
    this.#isWriting = true;
    this.#writing = this.#write();
  }

  /** Resolves when everything that waits is written, or the link has ended. */
  drained(): Promise<void> {
    if (this.#hasEnded || (this.outbox.isEmpty && !this.#isWriting)) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** The handler's deadline may have come nearer. */
  expectTick(): void {
    this.#clock.expect(this.deadline);
  }

  /** Lets time pass. */
  tick(now: number): void {
    if (now >= this.#leaveBy) return this.#close();
    if (this.#hasEnded) return;
    if (this.#turn?.isAwaited) {
      if (this.#turn.isAliveDue(now)) this.session.sayAlive();
      return this.wake();
    }
    this.#handler.handleTick?.(now);
    if (this.#resting !== undefined) {
      if (now >= this.#resting.until) this.#resting.resolve();
      return;
    }
    const fault = this.session.tick(now);
    if (fault !== undefined) this.#leave(fault);
    else if (this.session.hasOutput) this.wake();
  }

  /** Ends the link politely: what is being written and what the session has to say goes out, then the peer hears the end. */
  leave(): void {
    this.#leave(new ClosedError("Cannot use connection: it was closed"));
  }

  /** Ends the link at once. */
  abort(reason: Error = new ClosedError("Cannot use connection: it was closed")): void {
    this.#end(reason);
    this.#close();
  }

  async #read(): Promise<void> {
    await this.#readAll();
    this.#largeBuffer = this.#giveBuffer();
    this.#close();
  }

  /** Reads to the end of the connection. */
  async #readAll(): Promise<void> {
    const small = new Uint8Array(Math.min(SMALL_READ_BYTES, this.#maxReadBytes));
    while (true) {
      const { room } = this.session;
      const buffer = this.#largeBuffer ?? small;
      let size: number | null;
      try {
        size = await this.#conn.read(room ?? buffer);
      } catch (cause) {
        this.#end(
          new ConnectionError("connection-lost", `Cannot read from ${this.remoteAddress}`, { cause }),
        );
        return;
      }
      if (size === null) {
        const { hangUpHint } = this.session;
        const text = `Cannot keep connection: ${this.remoteAddress} closed it`;
        this.#end(
          hangUpHint === undefined
            ? new ConnectionError("peer-closed", text)
            : new ConnectionError("hung-up", `${text} in the middle of the handshake; ${hangUpHint}`),
        );
        return;
      }
      if (
        this.#turn !== undefined && !this.#hasEnded && this.session.state === "ready" && !this.#turn.isFree
      ) {
        // Meanwhile nothing more is read, and nobody can say that the peer is silent.
        const begun = this.#turn.begin(this.#clock.now(), this.session.aliveMs);
        this.#clock.expect(this.#turn.aliveAt);
        await begun;
      }
      if (this.#hasEnded) continue; // Read and drop until the peer's end, so that it sees our last words.
      let fault = room !== undefined
        ? this.session.filled(size, this.#clock.now())
        : this.session.receive(size === buffer.length ? buffer : buffer.subarray(0, size), this.#clock.now());
      if (this.session.state === "undecided") {
        fault = await this.#awaitDecision();
        if (this.#hasEnded) continue;
      }
      this.#handler.handleTurnEnd?.();
      this.session.endTurn();
      this.#turn?.end();
      if (!this.#isSettled && this.session.state === "ready") this.#settle();
      if (fault !== undefined) {
        this.#leave(fault);
        continue;
      }
      if (this.session.hasOutput || !this.outbox.isEmpty) this.wake();
      this.#clock.expect(this.session.deadline);
      const restMs = this.#handler.restMs?.(this.#clock.now()) ?? 0;
      if (restMs > 0) await this.#rest(restMs);
      if (room !== undefined) continue;
      if (size === buffer.length) this.#largeBuffer = this.#largerBuffer(buffer);
      else if (size <= small.length) this.#largeBuffer = this.#giveBuffer();
    }
  }

  /** Nothing more is read for a while: the peer has asked too much of us. */
  async #rest(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resting = { until: this.#clock.now() + ms, resolve };
    this.#clock.expect(this.#resting.until);
    await promise;
    this.#resting = undefined;
  }

  /** The buffer for the next read, when one was filled; the same where memory is short. */
  #largerBuffer({ length }: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
    const size = Math.min(this.#maxReadBytes, READ_GROWTH * length);
    const larger = size === length ? undefined : takeReadBuffer(size, this.#memory);
    if (larger === undefined) return this.#largeBuffer;
    this.#giveBuffer();
    return larger;
  }

  #giveBuffer(): undefined {
    if (this.#largeBuffer !== undefined) giveReadBuffer(this.#largeBuffer, this.#memory);
  }

  /** Reading pauses here, so that an undecided peer cannot make us store anything. */
  async #awaitDecision(): Promise<SessionFault | undefined> {
    const { hostname } = this.#conn.remoteAddr;
    // The deadline of the handshake ends a decision that never comes.
    const decision = await Promise.race([
      this.#decide!({ session: this.session, hostname }),
      this.#settled.promise,
    ]);
    if (decision === undefined) return undefined;
    return this.session.decide(decision, this.#clock.now());
  }

  #settle(): void {
    this.#isSettled = true;
    this.#settled.resolve();
  }

  async #write(): Promise<void> {
    try {
      while (true) {
        const words = this.session.takeOutput();
        if (words !== undefined) {
          for (let at = 0; at < words.length;) at += await this.#conn.write(words.subarray(at));
          continue;
        }
        const frames = this.#hasEnded || this.session.state !== "ready" ? undefined : this.outbox.take();
        if (frames === undefined) break;
        this.#writtenBytes = 0;
        this.#writeAt = this.#clock.now();
        const { box } = this.session;
        const bytes = box === undefined ? frames : this.#seal(box, frames);
        // A write may take a part only.
        while (this.#writtenBytes < bytes.length) {
          const rest = this.#writtenBytes === 0 ? bytes : bytes.subarray(this.#writtenBytes);
          const size = await this.#conn.write(rest);
          this.#writtenBytes += size;
          this.#handler.handleProgress?.(size);
        }
        this.#writtenBytes = 0;
        if (this.#sealed !== undefined) this.#forgetSealed();
        const size = frames.length; // Nothing is left of them once the outbox lets go of their block.
        const messages = this.outbox.written();
        this.#handler.handleWritten?.(messages, size);
      }
      if (this.#hasEnded && !this.#isClosed) await this.#conn.closeWrite();
    } catch (cause) {
      this.#end(new ConnectionError("connection-lost", `Cannot write to ${this.remoteAddress}`, { cause }));
      this.#close();
    } finally {
      this.#isWriting = false;
      if (this.outbox.isEmpty) this.#tellIdle();
    }
  }

  /** Only now, since the nonces must rise in the order in which everything is written. */
  #seal(box: MessageBox, frames: Uint8Array): Uint8Array {
    const bytes = box.seal(frames);
    this.#memory?.force(bytes.length);
    this.#sealed = { frames, bytes };
    return bytes;
  }

  #forgetSealed(): void {
    const { bytes } = this.#sealed!;
    this.#memory?.give(bytes.length);
    freeBuffer(bytes);
    this.#sealed = undefined;
  }

  #tellIdle(): void {
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  #leave(reason: Error): void {
    this.#end(reason);
    if (this.#isClosed || this.#leaveBy !== Infinity) return;
    this.#leaveBy = this.#clock.now() + LEAVE_TIMEOUT_MS;
    this.#clock.expect(this.#leaveBy);
    this.wake();
  }

  #end(reason: Error): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#resting?.resolve();
    this.#turn?.end();
    this.#settle();
    this.#tellIdle();
    this.#handler.handleEnd(reason);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#clock.remove(this);
    this.#memory?.leave(this);
    this.#conn[Symbol.dispose]();
    // The loops end by themselves now; what they do last decides what is put back into the queue.
    void Promise.allSettled([this.#reading, this.#writing]).then(() => {
      this.session.forget();
      this.#gone.resolve();
      // The owner asks for `writtenBytes` when it hears that the link is gone.
      if (this.#sealed !== undefined) this.#memory?.give(this.#sealed.bytes.length);
    });
  }
}
