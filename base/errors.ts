/**
 * Every error that this package throws, rejects with or puts into an event.
 *
 * Match on `code`, read `message`: the codes are part of the API, the texts are for people. A message says what was
 * tried, what was found and what the limit is. A mistake of the caller is a `TypeError` or a `RangeError`; an aborted
 * wait is rejected with the reason of its `AbortSignal`, as everywhere on the web platform.
 *
 * @module
 */

/** The peer broke ZMTP, so its connection was closed. Nothing else is affected. */
export class ProtocolError extends Error {
  /** Always `"ProtocolError"`. */
  override readonly name = "ProtocolError";
  /** What was broken. */
  readonly code:
    /** The first bytes are not a ZMTP 3 greeting: HTTP, TLS, SSH, ZMTP 1 or 2, or noise. */
    | "bad-greeting"
    /** Reserved flag bits, a command with MORE, or a command in the wrong place. */
    | "bad-frame"
    /** An announced size is above the limit. */
    | "frame-too-large"
    /** A command whose name or body does not parse. */
    | "bad-command"
    /** READY metadata that does not parse, or lacks or repeats `Socket-Type`. */
    | "bad-metadata"
    /** Something before READY that does not belong there. */
    | "unexpected-before-ready"
    /** A message began, and no more of it came for `messageTimeoutMs`. */
    | "message-timeout"
    /** More topics, or a longer topic, than one connection may have. */
    | "too-many-topics"
    /** All connections together use as much memory as they may, and this one wanted more. */
    | "memory-budget"
    /** More unknown commands or other noise than an honest peer sends. */
    | "too-much-noise"
    /** A box that does not open, a nonce that does not rise, or a wrong key: CURVE only. */
    | "bad-crypto";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: ProtocolError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Both sides are right, but do not fit together. Trying again is no use until one side is set up differently. */
export class HandshakeError extends Error {
  /** Always `"HandshakeError"`. */
  override readonly name = "HandshakeError";
  /** What does not fit. */
  readonly code:
    /** The two sides use different security mechanisms. */
    | "mechanism-mismatch"
    /** The peer's socket type cannot talk to ours, for example a SUB that dialled the receive address. */
    | "socket-type-mismatch"
    /** The peer sent ERROR: it refuses us, for example for our key. */
    | "refused-by-peer"
    /** We refuse the peer: authorisation said no. */
    | "denied"
    /** We refuse the peer for the moment: authorisation said `"temporary"`. */
    | "temporarily-denied"
    /** We refuse the peer: authorisation threw, or returned what it must not. */
    | "authorize-failed"
    /** The answer was not made with the key that we were given for the server: it is another server, or someone in between. */
    | "wrong-server-key"
    /** The cryptography of CURVE cannot be loaded; the message says how to get it. */
    | "crypto-unavailable"
    /** The handshake took longer than `handshakeTimeoutMs`. */
    | "handshake-timeout";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: HandshakeError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Connecting, reading or writing failed. It is worth trying again, and clients do so by themselves. `cause` holds Deno's error. */
export class ConnectionError extends Error {
  /** Always `"ConnectionError"`. */
  override readonly name = "ConnectionError";
  /** What failed. */
  readonly code:
    /** Nobody listens at the address, or it cannot be reached or resolved. */
    | "connect-failed"
    /** The peer closed the connection. */
    | "peer-closed"
    /** The peer closed the connection in the middle of the handshake; the message guesses why. */
    | "hung-up"
    /** Reading or writing failed, for example after a reset. */
    | "connection-lost"
    /** The peer was silent for longer than the heartbeat allows. */
    | "heartbeat-timeout"
    /** It had done nothing, and gave way to another connection when there was room for no more. */
    | "no-room"
    /** The end of the connection cut messages that were being sent. */
    | "messages-lost"
    /** Deno's sandbox does not allow connecting to the address; the message names the flag to add. */
    | "permission-denied";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: ConnectionError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The broker cannot listen on an address. Nothing stays open. */
export class ListenError extends Error {
  /** Always `"ListenError"`. */
  override readonly name = "ListenError";
  /** What stood in the way. */
  readonly code:
    /** Another program listens there already. */
    | "address-in-use"
    /** This machine has no such address. */
    | "address-not-available"
    /** The operating system or Deno's sandbox does not allow it; the message names the flag to add. */
    | "permission-denied"
    /** Any other reason; see `cause`. */
    | "listen-failed";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: ListenError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An optional transport such as libzmq cannot be loaded. The default one is always there. */
export class TransportError extends Error {
  /** Always `"TransportError"`. */
  override readonly name = "TransportError";
  /** What stood in the way. */
  readonly code:
    /** Deno's sandbox does not allow loading it; the message names the flags to add. */
    | "permission-denied"
    /** There is none for this platform, or it could not be fetched; see `cause`. */
    | "not-available";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: TransportError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An archive cannot be opened, read or written. */
export class ArchiveError extends Error {
  /** Always `"ArchiveError"`. */
  override readonly name = "ArchiveError";
  /** What stood in the way. */
  readonly code:
    /** There is no such file. */
    | "not-found"
    /** Deno's sandbox or the operating system does not allow it; the message names the flags to add. */
    | "permission-denied"
    /** The file is something else. Nothing in it was changed. */
    | "not-an-archive"
    /** A newer version of this package has written it. Nothing in it was changed. */
    | "newer-version"
    /** Another process records into it. */
    | "in-use"
    /** It was opened for reading only. */
    | "read-only"
    /** It has no such session. */
    | "no-session"
    /** The session has no such message, event, note or picture. */
    | "no-entry"
    /** That cannot be done with a session that is being recorded, or while a replay goes on. */
    | "running"
    /** Some of it is not what was written. */
    | "damaged"
    /** There is no room for more, on the disk or below the limit. */
    | "full"
    /** Any other reason; see `cause`. */
    | "failed"
    /** It was closed before. */
    | "closed";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: ArchiveError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Something was used after it was closed. */
export class ClosedError extends Error {
  /** Always `"ClosedError"`. */
  override readonly name = "ClosedError";
  /** Always `"closed"`. */
  readonly code = "closed";
}

/** The send queue is full, and nothing was added to it. Wait for `drained()`, or decide to drop the message. */
export class QueueFullError extends Error {
  /** Always `"QueueFullError"`. */
  override readonly name = "QueueFullError";
  /** Always `"queue-full"`. */
  readonly code = "queue-full";
}

/** Something is not a message of the bus. A `TypeError`, since what the caller passed is wrong. */
export class MessageError extends TypeError {
  /** Always `"MessageError"`. */
  override readonly name = "MessageError";
  /** What is wrong with it. */
  readonly code:
    /** Not UTF-8, or a text with a lone surrogate, which UTF-8 cannot hold. */
    | "not-utf8"
    /** Not JSON. */
    | "not-json"
    /** JSON, but not an object. */
    | "not-an-object"
    /** An object without a `type` that is a string. */
    | "missing-type"
    /** A field of one of the seven message kinds is missing or of the wrong type. */
    | "bad-field"
    /** More than one frame: a message of the bus is exactly one. */
    | "multipart"
    /** Larger than `maxMessageBytes`. */
    | "too-large"
    /** The broker sent it again under a number that it had used before. Only a broken broker does that. */
    | "repeated";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: MessageError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A text is not an address such as `tcp://127.0.0.1:5555`. */
export class AddressError extends TypeError {
  /** Always `"AddressError"`. */
  override readonly name = "AddressError";
  /** Always `"invalid-address"`. */
  readonly code = "invalid-address";
}

/** An option has a value that it cannot have, or that does not go with another option. */
export class OptionError extends TypeError {
  /** Always `"OptionError"`. */
  override readonly name = "OptionError";
  /** What is wrong. */
  readonly code:
    /** Not a value that the option can have. */
    | "bad-option"
    /** It would be reachable from other machines, with neither keys nor the explicit permission for everyone to join. */
    | "anonymous-not-allowed";

  /** With its code and its text; `cause` where there is one. */
  constructor(code: OptionError["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
