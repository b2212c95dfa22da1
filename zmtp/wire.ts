/**
 * A name for each number of ZMTP 3.1 (RFC 37) and for each limit that we set where the RFC sets none.
 *
 * @module
 */
import { BROKER_NUMBERS } from "../base/defaults.ts";

/** Bytes of a greeting (RFC 37 §2.2). */
export const GREETING_SIZE = 64;
/** The version that we announce; libzmq >= 4.3.3 announces the same. */
export const MAJOR = 3;
/** See {@linkcode MAJOR}. */
export const MINOR = 1;
/** Bytes of the mechanism's name in the greeting, padded with NUL. */
export const MECHANISM_SIZE = 20;

/** Frame flag: another frame of the same message follows. */
export const FLAG_MORE = 0x01;
/** Frame flag: the size has eight bytes, not one. */
export const FLAG_LONG = 0x02;
/** Frame flag: a command, not a message. */
export const FLAG_COMMAND = 0x04;
/** Bytes in front of a body of at most {@linkcode SHORT_BODY_MAX} bytes. */
export const SHORT_HEADER_SIZE = 2;
/** Bytes in front of a longer body. */
export const LONG_HEADER_SIZE = 9;
/** The longest body whose size fits into one byte. */
export const SHORT_BODY_MAX = 0xff;

/** Ticks of a PING's ttl: tenths of a second. */
export const TTL_UNIT_MS = 100;
/**
 * The largest ttl that we send. libzmq keeps ttl x 100 in sixteen bits, so 656 would make it close after 64 ms
 * (libzmq #4226, still so in 4.3.5).
 */
export const TTL_MAX = 655;
/** We grant a silent peer at least this long, even if its ttl asks for less. */
export const TTL_FLOOR_MS = 100;
/** Bytes of a PING's context at most (RFC 37 §2.5). */
export const PING_CONTEXT_MAX = 16;

/** Bytes of the body of a message, in every role, unless told otherwise: 16 MiB. */
export const MAX_MESSAGE_BYTES: number = BROKER_NUMBERS.maxMessageBytes.default;
/**
 * A message above the limit is skipped while it streams in; above this size nobody means it, and the connection is
 * closed when the header is read.
 */
export const MAX_SKIPPED_BYTES: number = 1024 * 1024 * 1024;
/** Bytes of a command's body, handshake included. libzmq has no such limit and accepts a READY of a megabyte. */
export const MAX_COMMAND_BYTES: number = 64 * 1024;
/** Frames of one message; libzmq has no such limit. */
export const MAX_PARTS = 1024;
/** Topics of one connection; libzmq has no such limit. */
export const MAX_TOPICS: number = BROKER_NUMBERS.maxTopics.default;
/** Bytes of one topic; libzmq has no such limit, and its XPUB overflows the stack above 15 kB (#4671). */
export const MAX_TOPIC_BYTES: number = BROKER_NUMBERS.maxTopicBytes.default;
/** Connections of one listening socket at once, unless told otherwise. */
export const MAX_CONNECTIONS: number = BROKER_NUMBERS.maxConnections.default;
/** Connections of one listening socket whose handshake is not over, unless told otherwise. */
export const MAX_PENDING_HANDSHAKES: number = BROKER_NUMBERS.maxPendingHandshakes.default;
/** The same for one address other than the loopback, which all programs of this machine share. */
export const MAX_PENDING_HANDSHAKES_PER_ADDRESS = 64;
/** Unknown or misplaced commands and messages that a peer may send in a second before we hang up. */
export const MAX_NOISE_PER_SECOND = 100;

/** Time that a handshake may take, from the TCP connection up to both READYs: 10 s. libzmq: 30 s. */
export const HANDSHAKE_TIMEOUT_MS: number = BROKER_NUMBERS.handshakeTimeoutMs.default;

/** Time without a byte of a message that has begun, for peers that dial us: 30 s. libzmq waits for ever. */
export const MESSAGE_TIMEOUT_MS: number = BROKER_NUMBERS.messageTimeoutMs.default;

/** A buffer for the bytes of one frame grows from here, never at once to the size that a peer announces. */
export const FIRST_ALLOCATION_BYTES: number = 64 * 1024;

/**
 * Bytes of a read at most. One large read makes one large write to each subscriber, which wakes it once: reads of 64 KiB cost
 * a third more CPU a message. A larger array than this is never a read buffer.
 */
export const LARGE_READ_BYTES: number = 256 * 1024;
