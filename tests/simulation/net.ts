/**
 * A network of TCP connections between processes of the world: bytes arrive in pieces, late, or not at all, and in their order.
 *
 * @module
 */
import type { Random } from "./random.ts";
import type { Process, World } from "./world.ts";

/** How a process is connected. */
export interface Manners {
  /** Milliseconds that bytes travel, at least and at most. */
  readonly latencyMs: readonly [min: number, max: number];
  /** Bytes that the operating systems at both ends hold together, for one direction. */
  readonly capacity: number;
  /** Sizes of what one read gives and one write takes. */
  readonly pieces: "whole" | "any" | "tiny";
  /** Milliseconds before each read. */
  readonly readPauseMs: number;
}

type Waiting<T> = { readonly resolve: (value: T) => void; readonly reject: (error: Error) => void };

/** One direction of a connection. */
interface Pipe {
  readonly chunks: Uint8Array[];
  /** Bytes in `chunks`, which have arrived. */
  arrived: number;
  /** Bytes that travel. */
  flying: number;
  /** Nothing arrives before. */
  notBefore: number;
  isEnded: boolean;
  isReset: boolean;
  /** Whatever travels gets lost, and nobody hears of it. */
  isCut: boolean;
}

const makePipe = (): Pipe => ({
  chunks: [],
  arrived: 0,
  flying: 0,
  notBefore: 0,
  isEnded: false,
  isReset: false,
  isCut: false,
});

/** The operating system gives a connection up whose peer takes nothing for so long. */
const GIVE_UP_MS = 20_000;

/** One end of a connection. */
export class Socket {
  readonly id: string;
  readonly process: Process;
  readonly localAddr: Deno.NetAddr;
  readonly remoteAddr: Deno.NetAddr;
  peer!: Socket;
  manners: Manners;
  /** What comes. */
  readonly pipe: Pipe = makePipe();
  isClosed = false;
  readonly openedAt: number;
  closedAt: number = Infinity;
  #hasEndedWriting = false;
  readonly #net: Net;
  readonly #random: Random;
  #reading: (Waiting<number | null> & { readonly buffer: Uint8Array }) | undefined;
  #writing: (Waiting<number> & { readonly bytes: Uint8Array }) | undefined;

  constructor(
    net: Net,
    id: string,
    process: Process,
    manners: Manners,
    localAddr: Deno.NetAddr,
    remoteAddr: Deno.NetAddr,
  ) {
    this.#net = net;
    this.#random = net.world.stream(`socket ${id} of ${process.name}`);
    this.id = id;
    this.openedAt = net.world.now;
    this.process = process;
    this.manners = manners;
    this.localAddr = localAddr;
    this.remoteAddr = remoteAddr;
  }

  setNoDelay(): void {
    if (this.pipe.isReset && this.#random.chance(0.3)) {
      throw new Error("Invalid argument (os error 22)");
    }
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    if (this.isClosed) reject(new Deno.errors.BadResource("Bad resource ID"));
    else if (this.#reading !== undefined) reject(new Deno.errors.Busy("read twice"));
    else {
      this.#reading = { resolve, reject, buffer };
      this.#look("read", this.manners.readPauseMs);
    }
    return promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    if (this.isClosed) reject(new Deno.errors.BadResource("Bad resource ID"));
    else if (this.#writing !== undefined) this.#net.world.fail("two writes at once to one socket");
    else if (bytes.length === 0) resolve(0);
    else {
      this.#writing = { resolve, reject, bytes };
      this.#look("write");
    }
    return promise;
  }

  closeWrite(): Promise<void> {
    if (this.isClosed) return Promise.reject(new Deno.errors.BadResource("Bad resource ID"));
    if (this.pipe.isReset) {
      return Promise.reject(new Deno.errors.NotConnected("Transport endpoint is not connected"));
    }
    this.#endWriting();
    return Promise.resolve();
  }

  close(): void {
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.isClosed) return;
    this.leave();
    const error = new Deno.errors.Interrupted("operation canceled");
    for (const waiting of [this.#reading, this.#writing]) {
      if (waiting !== undefined) {
        this.#net.world.after(0, this.process, "cancel", () => waiting.reject(error));
      }
    }
    this.#reading = this.#writing = undefined;
  }

  /** The operating system closes it, for a program that says so or is no more. */
  leave(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closedAt = this.#net.world.now;
    this.#net.sockets.delete(this);
    // Who closes with something unread says so.
    if (this.pipe.arrived > 0) this.sendReset();
    else this.#endWriting();
  }

  /** The peer, or something on the way, resets the connection. */
  sendReset(): void {
    const { world } = this.#net;
    const { peer } = this;
    const { pipe } = peer;
    if (pipe.isCut || pipe.isReset) return;
    world.after(this.#latency(), undefined, "reset", () => {
      if (pipe.isCut) return;
      pipe.isReset = true;
      if (this.#random.chance(0.5)) {
        pipe.chunks.length = 0;
        pipe.arrived = 0;
      }
      peer.wake();
    });
  }

  /** Does it wait for room? */
  get isBlocked(): boolean {
    return this.#writing !== undefined;
  }

  /** Something may have changed for who waits. */
  wake(): void {
    if (this.isClosed) return;
    if (this.#reading !== undefined) this.#look("read", this.manners.readPauseMs);
    if (this.#writing !== undefined) this.#look("write");
  }

  #endWriting(): void {
    if (this.#hasEndedWriting) return;
    this.#hasEndedWriting = true;
    const { peer } = this;
    this.#send(() => {
      peer.pipe.isEnded = true;
      peer.wake();
    });
  }

  /** Invariant: what is due, so that nothing is looked at twice. */
  readonly #looks = { read: false, write: false };

  #look(what: "read" | "write", ms = 0): void {
    if (this.#looks[what]) return;
    this.#looks[what] = true;
    this.#net.world.after(ms, this.process, what, () => {
      this.#looks[what] = false;
      if (what === "read") this.#tryRead();
      else this.#tryWrite();
    });
  }

  #tryRead(): void {
    const { pipe } = this;
    const waiting = this.#reading;
    if (waiting === undefined) return;
    if (pipe.arrived > 0) {
      this.#reading = undefined;
      return waiting.resolve(this.#take(waiting.buffer));
    }
    if (pipe.isReset) {
      this.#reading = undefined;
      return waiting.reject(new Deno.errors.ConnectionReset("Connection reset by peer (os error 104)"));
    }
    if (pipe.isEnded) {
      this.#reading = undefined;
      waiting.resolve(null);
    }
  }

  #take(buffer: Uint8Array): number {
    const { pipe } = this;
    const size = this.#pieceOf(Math.min(buffer.length, pipe.arrived));
    for (let at = 0; at < size;) {
      const chunk = pipe.chunks[0]!;
      const part = Math.min(chunk.length, size - at);
      buffer.set(chunk.subarray(0, part), at);
      at += part;
      if (part === chunk.length) pipe.chunks.shift();
      else pipe.chunks[0] = chunk.subarray(part);
    }
    pipe.arrived -= size;
    this.#net.bytes += size;
    const { peer } = this;
    if (!pipe.isCut && peer.isBlocked) {
      this.#net.world.after(this.#latency(), undefined, "window", () => peer.wake());
    }
    return size;
  }

  #tryWrite(): void {
    const waiting = this.#writing;
    if (waiting === undefined) return;
    if (this.pipe.isReset || this.#hasEndedWriting) {
      this.#writing = undefined;
      return waiting.reject(new Deno.errors.BrokenPipe("Broken pipe (os error 32)"));
    }
    const { pipe } = this.peer;
    const room = this.manners.capacity - pipe.arrived - pipe.flying;
    if (room <= 0) return;
    const size = this.#pieceOf(Math.min(room, waiting.bytes.length));
    const chunk = waiting.bytes.slice(0, size);
    this.#writing = undefined;
    pipe.flying += size;
    const { peer } = this;
    this.#send(() => {
      pipe.flying -= size;
      // Whoever is gone says so to those who go on sending.
      if (peer.isClosed) return peer.sendReset();
      if (pipe.isReset) return;
      pipe.chunks.push(chunk);
      pipe.arrived += size;
      peer.wake();
    });
    waiting.resolve(size);
  }

  /** What is sent arrives in its order. */
  #send(arrive: () => void): void {
    const { world } = this.#net;
    const { pipe } = this.peer;
    if (pipe.isCut) return this.giveUpLater();
    pipe.notBefore = Math.max(pipe.notBefore, world.now + this.#latency());
    this.#travel(arrive);
  }

  #travel(arrive: () => void): void {
    const { world } = this.#net;
    const { pipe } = this.peer;
    world.after(pipe.notBefore - world.now, undefined, "arrive", () => {
      if (pipe.isCut) return this.giveUpLater();
      arrive();
    });
  }

  /** Nobody answers. */
  giveUpLater(): void {
    this.#net.world.after(GIVE_UP_MS, undefined, "give up", () => {
      this.pipe.isReset = true;
      this.wake();
    });
  }

  #latency(): number {
    const [min, max] = this.manners.latencyMs;
    return this.#random.between(min, max);
  }

  #pieceOf(most: number): number {
    const random = this.#random;
    switch (this.manners.pieces) {
      case "whole":
        return most;
      case "any":
        return random.chance(0.5) ? most : 1 + random.int(most);
      case "tiny":
        return Math.min(most, 1 + random.int(Math.max(24, most >> 3)));
    }
  }
}

/** Listens for a process. */
class SimulatedListener {
  readonly addr: Deno.NetAddr;
  readonly process: Process;
  readonly #net: Net;
  readonly #backlog: Socket[] = [];
  #accepting: Waiting<Socket> | undefined;
  #isClosed = false;

  constructor(net: Net, process: Process, addr: Deno.NetAddr) {
    this.#net = net;
    this.process = process;
    this.addr = addr;
  }

  accept(): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    if (this.#isClosed) reject(new Deno.errors.BadResource("Bad resource ID"));
    else {
      this.#accepting = { resolve, reject };
      this.#look();
    }
    return promise;
  }

  arrive(socket: Socket): void {
    this.#backlog.push(socket);
    this.#look();
  }

  close(): void {
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.leave();
    const waiting = this.#accepting;
    this.#accepting = undefined;
    if (waiting === undefined) return;
    const error = new Deno.errors.Interrupted("operation canceled");
    this.#net.world.after(0, this.process, "cancel", () => waiting.reject(error));
  }

  leave(): void {
    this.#isClosed = true;
    this.#net.listeners.delete(this.addr.port);
    for (const socket of this.#backlog.splice(0)) socket.leave();
  }

  #look(): void {
    this.#net.world.after(0, this.process, "accept", () => {
      const waiting = this.#accepting;
      if (waiting === undefined || this.#backlog.length === 0) return;
      this.#accepting = undefined;
      if (this.#net.failsAccept()) return waiting.reject(new Error("Too many open files (os error 24)"));
      const socket = this.#backlog.shift()!;
      waiting.resolve(socket);
    });
  }
}

/** See the module. */
export class Net {
  readonly world: World;
  readonly sockets: Set<Socket> = new Set();
  readonly listeners: Map<number, SimulatedListener> = new Map();
  /** Bytes that were read. */
  bytes = 0;
  /** Does the operating system have no connection to give? */
  failsAccept: () => boolean = () => false;
  /** Is a dial of this process refused, or never answered? */
  judgeDial: (process: Process) => "fine" | "refused" | "silent" = () => "fine";
  mannersOf: (process: Process) => Manners;
  /** What listeners got, by who dialled. */
  readonly #lines: Map<Process, Socket[]> = new Map();
  #ports = 40_000;

  constructor(world: World, mannersOf: (process: Process) => Manners) {
    this.world = world;
    this.mannersOf = mannersOf;
  }

  listen({ hostname = "127.0.0.1", port }: { hostname?: string; port: number }): SimulatedListener {
    const chosen = port || this.#ports++;
    if (this.listeners.has(chosen)) throw new Deno.errors.AddrInUse("Address already in use (os error 98)");
    const listener = new SimulatedListener(this, this.world.process!, {
      transport: "tcp",
      hostname,
      port: chosen,
    });
    this.listeners.set(chosen, listener);
    return listener;
  }

  connect(
    { hostname = "127.0.0.1", port, signal }: { hostname?: string; port: number; signal?: AbortSignal },
  ): Promise<Socket> {
    const { world } = this;
    const process = world.process!;
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const [min, max] = this.mannersOf(process).latencyMs;
    const verdict = this.judgeDial(process);
    const abort = () => reject(new DOMException("The signal has been aborted", "AbortError"));
    signal?.addEventListener("abort", abort, { once: true });
    if (verdict === "silent") return promise;
    world.after(world.random.between(min, max), undefined, "dial", () => {
      const listener = this.listeners.get(port);
      if (listener === undefined || verdict === "refused" || !process.isAlive) {
        world.after(0, process, "refused", () => {
          reject(new Deno.errors.ConnectionRefused("Connection refused (os error 111)"));
        });
        return;
      }
      const here: Deno.NetAddr = { transport: "tcp", hostname: "127.0.0.1", port: this.#ports++ };
      const there: Deno.NetAddr = { transport: "tcp", hostname, port };
      const lines = this.#lines.get(process) ?? [];
      const id = `${process.name} ${lines.length}`;
      const manners = this.mannersOf(process);
      const ours = new Socket(this, id, process, manners, here, there);
      // The path is the dialler's, in both directions; how the listener reads is its own affair.
      const theirs = new Socket(this, id, listener.process, { ...manners, readPauseMs: 0 }, there, here);
      ours.peer = theirs;
      theirs.peer = ours;
      this.#lines.set(process, lines);
      lines.push(theirs);
      this.sockets.add(theirs);
      listener.arrive(theirs);
      world.after(0, process, "connected", () => {
        if (signal?.aborted) return ours.leave();
        this.sockets.add(ours);
        resolve(ours);
      });
    });
    return promise;
  }

  /** The process is no more: the operating system closes what it had. */
  close(process: Process): void {
    for (const listener of [...this.listeners.values()]) if (listener.process === process) listener.leave();
    for (const socket of this.of(process)) socket.leave();
  }

  /** How often it was connected. */
  dialled(process: Process): number {
    return this.#lines.get(process)?.length ?? 0;
  }

  /** Over how many lines to that port something of this process may come in any order: those that were open at the same time. */
  linesOf(process: Process, port: number): number {
    const lines = this.#lines.get(process)?.filter(({ localAddr }) => localAddr.port === port) ?? [];
    const oldest = Math.min(...lines.filter(({ isClosed }) => !isClosed).map(({ openedAt }) => openedAt));
    return lines.filter(({ closedAt }) => closedAt >= oldest).length;
  }

  /** Its open connections. */
  of(process: Process): Socket[] {
    return [...this.sockets].filter((socket) => socket.process === process);
  }

  /** Nothing travels on this connection any more, and nobody is told. */
  cut(socket: Socket): void {
    for (const end of [socket, socket.peer]) {
      end.pipe.isCut = true;
      if (end.peer.pipe.flying > 0) end.giveUpLater();
    }
  }

  /** Something on the way ends the connection for both. */
  reset(socket: Socket): void {
    socket.sendReset();
    socket.peer.sendReset();
  }

  /** What travels is late. */
  stall(socket: Socket, ms: number): void {
    for (const { pipe } of [socket, socket.peer]) {
      pipe.notBefore = Math.max(pipe.notBefore, this.world.now + ms);
    }
  }
}
