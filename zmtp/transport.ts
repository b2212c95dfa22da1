/**
 * The seam between the bus and what carries it: four roles, as small as broker and clients need them. `zmtp/mod.ts` has our
 * own engine behind it.
 *
 * @module
 */
import type { Block } from "./arena.ts";
import type { MemoryBudget } from "../base/memory_budget.ts";
import type { QueueLimit } from "./outbox.ts";
import type { SlowestReader } from "./pace.ts";
import type { ReadGate } from "./read_gate.ts";

/** One connection of a socket that listens, as its owner sees it: the same object for as long as it lasts. */
export interface PeerConnection {
  /** The peer's address as `host:port`. */
  readonly address: string;
  /** The text of a property that the peer gave with READY, such as `X-Name`; undefined where it gave none. */
  property(name: string): string | undefined;
}

/** Properties that we give with READY, beside the socket's type. Asked anew for each connection. */
export type Properties = () => readonly (readonly [name: string, value: string])[];

/** Takes the messages of a PULL or a SUB, in the order in which each peer sent them. */
export interface MessageHandler {
  /**
   * One message: its body is `bytes[bodyStart, end)`, its frame `bytes[start, end)`. The bytes stay as they are until
   * `handleTurnEnd` has returned; whoever keeps them longer copies them. `peer` is who sent it; the same until `handleTurnEnd`,
   * undefined where the transport cannot tell.
   */
  handleMessage(
    bytes: Uint8Array,
    start: number,
    bodyStart: number,
    end: number,
    peer?: PeerConnection,
  ): void;
  /** A message that has several frames or is too large. It was not kept. */
  handleUnfit(reason: "multipart" | "too-large", size: number, parts: number, peer?: PeerConnection): void;
  /** No more messages for the moment: whatever was gathered should be sent on now. */
  handleTurnEnd(): void;
}

/** Takes what becomes of the connection of a PUSH or a SUB. */
export interface ConnectionHandler {
  /** Connected; for a SUB: and the peer has taken our subscriptions, as far as it can be known. */
  handleConnect(): void;
  /** The connection that there was is gone. It is dialled again. */
  handleDisconnect(reason: Error): void;
  /** A dial or a handshake failed. It is tried again unless `isFinal`. */
  handleFailure(error: Error, isFinal: boolean): void;
}

/** Takes what becomes of the messages of a PUSH. */
export interface PushHandler extends ConnectionHandler {
  /** So many more messages, the oldest ones, are in the operating system's hands. */
  handleWritten(messages: number): void;
  /** So many more messages were cut by the end of a connection, and are lost. */
  handleLost(messages: number): void;
}

/** A key of CURVE: 40 characters of Z85, or the 32 bytes. */
export type CurveKey = string | Uint8Array;

/** What a socket that listens needs for CURVE; `curveKeyPair()` makes one. */
export interface CurveServerOptions {
  /** The secret key. Whoever knows it can pretend to be this server. */
  readonly secretKey: CurveKey;
  /** The public key. It may be left out; if it is given, it must belong to the secret one. */
  readonly publicKey?: CurveKey | undefined;
}

/** What a socket that dials needs for CURVE. */
export interface CurveClientOptions {
  /** The server's public key. No other server can answer for it. */
  readonly serverKey: CurveKey;
  /** Our secret key, for a server that knows its clients by key. @default a fresh one */
  readonly secretKey?: CurveKey | undefined;
  /** Our public key. It may be left out; if it is given, it must belong to the secret one. */
  readonly publicKey?: CurveKey | undefined;
}

/** Who wants to join. */
export interface AuthorizeRequest {
  /** The address it connects from, without port. */
  readonly address: string;
  /** How the connection is secured. */
  readonly mechanism: "NULL" | "CURVE";
  /** With CURVE: the public key, in Z85, that it has proven to own. */
  readonly publicKey: string | undefined;
  /** What it wants: to send messages, at the receive address, or to listen, at the broadcast address. */
  readonly role: "send" | "listen";
}

/** True: it may join. False: it may not, and a libzmq peer never asks again. `"temporary"`: not now; the peer soon asks again. */
export type AuthorizeVerdict = boolean | "temporary";

/**
 * Decides who may join, within the time of the handshake. If it throws, rejects or does not decide in time, the peer is closed as
 * with `"temporary"`, and counted as `authorize-failed` or `handshake-timeout`.
 */
export type Authorize = (request: AuthorizeRequest) => AuthorizeVerdict | Promise<AuthorizeVerdict>;

/** Options of both ends of a connection. */
export interface ConnectionOptions {
  /** Bytes of a message's body at most. @default 16 MiB */
  readonly maxMessageBytes?: number;
  /** Milliseconds for a handshake. @default 10_000 */
  readonly handshakeTimeoutMs?: number;
  /** What queues and unfinished messages of all connections may use together. @default no such limit */
  readonly memory?: MemoryBudget | undefined;
  /** Milliseconds between two heartbeats; a peer that is silent for as long after one is given up; 0 for none. @default 0 */
  readonly heartbeatMs?: number;
  /** What is told to the peer with READY. @default nothing but the socket's type */
  readonly properties?: Properties | undefined;
}

/** Whole frames, `bytes[start, end)`, which do not change any more. */
export interface Published {
  /** Where they lie. */
  readonly bytes: Uint8Array;
  /** Their first byte. */
  readonly start: number;
  /** One behind their last byte. */
  readonly end: number;
  /** How many messages they are. */
  readonly messages: number;
  /** What whoever keeps them says `hold` to and, when they are done, `release`. */
  readonly block: Block | undefined;
}

/** The queue of one subscriber, for an owner that fills it itself. */
export interface SubscriberQueue extends PeerConnection {
  /** Bytes that wait. */
  readonly bytes: number;
  /** So much may wait. */
  readonly limit: QueueLimit;
  /** Would so many messages of so many bytes fit? */
  hasRoom(messages: number, bytes: number): boolean;
  /** Queues messages; there must be room. They leave with the next {@linkcode PubSocket.flush}. */
  push(piece: Published): void;
  /** Queues a frame that is no message, room or not. */
  pushNote(body: Uint8Array): void;
  /** So many messages were lost for this subscriber. */
  countDropped(messages: number): void;
}

/** Fills the queue of one subscriber in place of {@linkcode PubSocket.publish}. */
export interface SubscriberReader {
  /** How close it is to a loss: 0 where its queue says all, 1 where the next message is lost. */
  readonly fill: number;
  /** Messages that it will get, and that are not in its queue yet. */
  readonly waiting: number;
  /** Messages that it has lost and that were not counted by {@linkcode SubscriberQueue.countDropped} yet. */
  readonly lost: number;
  /** Something was written: there may be room. */
  handleRoom(): void;
  /** Memory was short: the last so many messages that waited are no longer in the queue, nor the notes among them. */
  handleTakenBack(messages: number): void;
  /** It has gone, or wants to be served as others are. */
  handleGone(): void;
}

/** Options of a PULL. */
export interface PullOptions extends ConnectionOptions {
  /** `tcp://host:port`; port 0 or `*` for any free one. */
  readonly address: string;
  /** Connections at once. @default 4096 */
  readonly maxConnections?: number;
  /** Connections at once whose handshake is not over; for one more, the one that is at it for longest is closed. @default 1024 */
  readonly maxPendingHandshakes?: number | undefined;
  /** The same for one address. @default 64; no limit of its own for the loopback, which all programs of this machine share */
  readonly maxPendingHandshakesPerAddress?: number | undefined;
  /** Milliseconds without a byte of a message that has begun, until its connection is closed; 0 for any. @default 30_000 */
  readonly messageTimeoutMs?: number | undefined;
  /** Encrypts and tells who is who. @default none: the NULL mechanism */
  readonly curve?: CurveServerOptions | undefined;
  /** Decides who may join. @default everyone who can reach the address */
  readonly authorize?: Authorize | undefined;
  /** While it is closed nothing that was sent is taken. @default nobody waits */
  readonly gate?: ReadGate | undefined;
  /** Told when a handshake came to no good end by a fault of either side. @default nobody is told */
  readonly handleFailedHandshake?: ((address: string, error: Error) => void) | undefined;
}

/** Options of a PUB. */
export interface PubOptions extends Omit<PullOptions, "gate"> {
  /** What may wait for one subscriber. */
  readonly queue: QueueLimit;
  /** The gate that is closed while a subscriber is waited for, and who is no longer. @default nobody is waited for */
  readonly pace?: { readonly gate: ReadGate; readonly slowest: SlowestReader } | undefined;
  /** Topics of one subscriber at most; one more ends its connection. @default 10_000 */
  readonly maxTopics?: number | undefined;
  /** Bytes of one topic at most; a longer one ends the connection. @default 4096 */
  readonly maxTopicBytes?: number | undefined;
  /**
   * A SUB subscribed to a topic that begins with NUL: gives what serves it from now on, or undefined where the topic is like any
   * other. Never asked for an XSUB, which stands for others. @default every topic is like any other
   */
  readonly serve?: ((topic: Uint8Array, queue: SubscriberQueue) => SubscriberReader | undefined) | undefined;
}

/** Options of a SUB. */
export interface SubOptions extends ConnectionOptions {
  /** `tcp://host:port`. */
  readonly address: string;
  /** Pauses between two dials. */
  readonly reconnect: { readonly minMs: number; readonly maxMs: number };
  /** Encrypts and makes sure who the peer is. @default none: the NULL mechanism */
  readonly curve?: CurveClientOptions | undefined;
  /** Topics to subscribe to first, for this connection only, given what the peer said with READY. @default none */
  readonly greet?: ((peer: PeerConnection) => readonly Uint8Array[]) | undefined;
}

/** Options of a PUSH. */
export interface PushOptions extends SubOptions {
  /** What may wait to be sent. */
  readonly queue: QueueLimit;
}

/** One connection of a listening socket whose handshake is over. */
export interface PeerStats {
  /** Who it is. */
  readonly peer: PeerConnection;
  /** Milliseconds since its handshake was over. */
  readonly connectedMs: number;
  /** Milliseconds since something was read from it. */
  readonly silentMs: number;
  /** Messages that it sent, or that were written to it. */
  readonly messages: number;
  /** Bytes of these, with the headers of their frames. */
  readonly bytes: number;
  /** Messages that wait for it. */
  readonly queuedMessages: number;
  /** Messages that it lost. */
  readonly dropped: number;
  /** Milliseconds for which senders waited for it. */
  readonly waitedMs: number;
  /** With CURVE: the public key, in Z85, that it has proven to own. */
  readonly publicKey: string | undefined;
}

/** Counters of a listening socket. */
export interface ListenStats {
  /** Connections at the moment, those in the handshake included. */
  readonly connections: number;
  /** Handshakes that came to a good end. */
  readonly accepted: number;
  /** Of these, the connections whose handshake is not over. */
  readonly pendingHandshakes: number;
  /** Connections that were closed because there were too many. */
  readonly refusedConnections: number;
  /** Connections that were closed because too many handshakes were not over. */
  readonly refusedHandshakes: number;
  /** Connections that the operating system could not give us. */
  readonly failedAccepts: number;
  /** Frames that mean nothing to the role, such as data from a subscriber; they were dropped. */
  readonly meaninglessFrames: number;
  /** Connections that ended for a fault of the peer, by the error's code. */
  readonly faults: Readonly<Record<string, number>>;
}

/** Counters of one subscriber. */
export interface SubscriberStats {
  /** The subscriber's address as `host:port`. */
  readonly address: string;
  /** Topics that it subscribed to. */
  readonly topics: number;
  /** Messages that wait for it. */
  readonly queuedMessages: number;
  /** Bytes that wait for it. */
  readonly queuedBytes: number;
  /** Messages that it lost because its queue was full. */
  readonly dropped: number;
  /** Milliseconds for which the senders waited for it, perhaps together with others. */
  readonly waitedMs: number;
}

/** Counters of a PUB. */
export interface PubStats extends ListenStats {
  /** One entry each. */
  readonly subscribers: readonly SubscriberStats[];
  /** Messages that were not delivered because a queue was full, of all subscribers that there ever were. */
  readonly dropped: number;
  /** Messages that waited for a subscriber when its connection ended. */
  readonly discarded: number;
  /** Milliseconds for which the senders waited for subscribers. */
  readonly waitedMs: number;
  /** Subscribers that are waited for at the moment. */
  readonly waitedFor: number;
}

/** Something that listens. */
export interface ListenSocket {
  /** Who is connected; nobody if the transport cannot tell. */
  peers(): readonly PeerStats[];
  /** Where, with the port that was chosen. */
  readonly address: string;
  /**
   * Resolves when connections are taken, until when those that come wait; rejects when it can never take any
   * ({@linkcode HandshakeError} `crypto-unavailable`), and has then stopped to listen. Undefined where nothing is waited for.
   */
  readonly ready?: Promise<void> | undefined;
  /** Stops; what waits is written if that takes no longer than `lingerMs`. */
  close(lingerMs: number): Promise<void>;
}

/** Receives from whoever connects. */
export interface PullSocket extends ListenSocket {
  /** Counters of the moment; undefined if the transport cannot tell. */
  stats(): ListenStats | undefined;
}

/** Sends to whoever connects and has subscribed. Never waits. */
export interface PubSocket extends ListenSocket {
  /**
   * Takes messages for every subscriber whom they concern, but for those that the owner serves itself. They leave with the next
   * {@linkcode PubSocket.flush}.
   */
  publish(piece: Published): void;
  /** Starts writing what was published. */
  flush(): void;
  /** Counters of the moment; undefined if the transport cannot tell. */
  stats(): PubStats | undefined;
}

/** Sends to the one it is connected to. */
export interface PushSocket {
  /** Is there a connection? */
  readonly isConnected: boolean;
  /** Messages that wait. */
  readonly queuedMessages: number;
  /** Bytes that wait. */
  readonly queuedBytes: number;
  /**
   * Queues a text as one message. `isRest`: it belongs to the one before, and is taken whether there is room or not.
   *
   * @throws {QueueFullError} If it does not fit.
   */
  send(text: string, isRest?: boolean): void;
  /** Ends; what waits is lost. */
  close(): Promise<void>;
}

/** Receives from the one it is connected to. */
export interface SubSocket {
  /** Is there a connection, with our subscriptions in place? */
  readonly isConnected: boolean;
  /** Wants messages that begin with the topic; each call counts, as for libzmq. */
  subscribe(topic: Uint8Array): void;
  /** Takes back one call of {@linkcode SubSocket.subscribe}. */
  unsubscribe(topic: Uint8Array): void;
  /** Ends. */
  close(): Promise<void>;
}

/** What carries the bus: our own engine, or libzmq of `./libzmq`. Programs hand it on, and need not know what is in it. */
export interface Transport {
  /** For people. */
  readonly name: string;
}

/** The four kinds of sockets that broker and clients need of a transport. */
export interface SocketTransport extends Transport {
  /**
   * Listens, and hands over what comes.
   *
   * @throws {ListenError} If it cannot listen there.
   */
  pull(options: PullOptions, handler: MessageHandler): PullSocket;
  /**
   * Listens, and sends to whoever subscribes.
   *
   * @throws {ListenError} If it cannot listen there.
   */
  pub(options: PubOptions): PubSocket;
  /** Dials in the background, for ever. */
  push(options: PushOptions, handler: PushHandler): PushSocket;
  /** Dials in the background, for ever. */
  sub(options: SubOptions, handler: MessageHandler & ConnectionHandler): SubSocket;
}
