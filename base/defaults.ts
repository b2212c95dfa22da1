/**
 * Every number that can be set: its default and its range. A name that ends in `Ms` is a time, and a time is finite; where it
 * may be 0, that is "none".
 *
 * @module
 */

/** Of the broker. */
export const BROKER_NUMBERS = {
  broadcastPort: { default: 0, min: 0, max: 65_535 },
  receivePort: { default: 0, min: 0, max: 65_535 },
  maxMessageBytes: { default: 16_777_216, min: 1, max: 1_073_741_824 },
  maxConnections: { default: 4096, min: 1 },
  "subscriberQueue.messages": { default: 100_000, min: 1 },
  "subscriberQueue.bytes": { default: 67_108_864, min: 1 },
  slowestReader: { default: 10_000, min: 0 },
  maxPendingHandshakes: { default: 1024, min: 1 },
  // Left out, the loopback has no limit of its own.
  maxPendingHandshakesPerAddress: { min: 1 },
  maxTopics: { default: 10_000, min: 1 },
  maxTopicBytes: { default: 4096, min: 1 },
  "history.messages": { default: 100_000, min: 0 },
  // Left out, it is 16 MiB, or a quarter of `memoryBudgetBytes` where that is less.
  "history.bytes": { min: 0 },
  "history.maxAgeMs": { default: 0, min: 0 },
  memoryBudgetBytes: { default: 1_073_741_824, min: 1 },
  handshakeTimeoutMs: { default: 10_000, min: 1 },
  messageTimeoutMs: { default: 30_000, min: 0 },
  heartbeatMs: { default: 0, min: 0 },
  lingerMs: { default: 1000, min: 0 },
} as const;

/** Of every client. */
export const CLIENT_NUMBERS = {
  maxMessageBytes: { default: 16_777_216, min: 1, max: 1_073_741_824 },
  "sendQueue.messages": { default: 10_000, min: 1 },
  "sendQueue.bytes": { default: 67_108_864, min: 1 },
  "reconnect.minMs": { default: 100, min: 1 },
  // Left out, it is 5000, or `minMs` where that is more.
  "reconnect.maxMs": { min: 1 },
  handshakeTimeoutMs: { default: 10_000, min: 1 },
  heartbeatMs: { default: 0, min: 0 },
  lingerMs: { default: 2000, min: 0 },
} as const;

/** Of a client that remembers. */
export const HISTORY_NUMBERS = {
  "history.messages": { default: 1000, min: 0 },
  "history.bytes": { default: 16_777_216, min: 0 },
  "history.maxAgeMs": { default: 0, min: 0 },
} as const;

/** Of the HTTP handlers. */
export const HANDLER_NUMBERS = {
  maxWaiters: { default: 2000, min: 0 },
  maxBodyBytes: { default: 1_048_576, min: 1 },
  maxQueuedBytes: { default: 1_048_576, min: 1 },
  longPollMaxMs: { default: 0, min: 0 },
  heartbeatMs: { default: 15_000, min: 0 },
  bodyTimeoutMs: { default: 30_000, min: 1 },
  answerTimeoutMs: { default: 30_000, min: 0 },
  openTimeoutMs: { default: 10_000, min: 1 },
  maxUpgrades: { default: 128, min: 1 },
  memoryBudgetBytes: { default: 268_435_456, min: 1 },
  "publishRate.perSecond": { min: 0.001, isFraction: true },
  "publishRate.burst": { min: 1 },
} as const;

/** Of a gateway that listens. */
export const GATEWAY_NUMBERS = {
  port: { default: 8000, min: 0, max: 65_535 },
  tcpBacklog: { default: 4096, min: 1, max: 2_147_483_647 },
} as const;

/** How long a stop of the HTTP side may take. */
export const HTTP_LINGER_MS = { default: 5000, min: 0 } as const;
