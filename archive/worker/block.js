/**
 * Blocks: many messages in one run of bytes, with the time of each read that brought some. Pure.
 *
 * ```text
 * for each read:  messages (varint)  microseconds since the read before (varint)
 *                 that many messages as they travelled:  00 length (1 byte)  bytes
 *                                                     or  02 length (8 bytes) bytes
 * ```
 *
 * So what came in one read is copied in one piece. The Workers have this text, too, which is why it is JavaScript.
 *
 * @module
 */

/** More than this is no number of ours: a varint has seven bits in each byte. */
const MAX_VARINT_BYTES = 8;

/**
 * Calls `visit(seq, time, start, end)` for each message of a block, in order, until it returns true. Throws an Error with the code
 * `damaged` if that is no block of `count` messages.
 *
 * @param {Uint8Array} bytes
 * @param {{ first: number, count: number, t0: number }} head number of the first message, how many, time of the first read
 * @param {(seq: number, time: number, start: number, end: number) => boolean | void} visit
 */
export function walkBlock(bytes, { first, count, t0 }, visit) {
  let [at, seq, time] = [0, first, t0];
  const end = first + count;
  const varint = () => {
    let value = 0;
    for (let factor = 1, i = 0; i < MAX_VARINT_BYTES && at < bytes.length; i++, factor *= 128) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw damagedBlock("a number is cut");
  };
  while (at < bytes.length) {
    const messages = varint();
    time += varint();
    if (messages === 0 || seq + messages > end) throw damagedBlock("it has more messages than it says");
    for (let i = 0; i < messages; i++) {
      const kind = bytes[at++];
      let length = 0;
      if (kind === 0) length = bytes[at++] ?? NaN;
      else if (kind === 2) { for (let j = 0; j < 8; j++) length = length * 256 + (bytes[at++] ?? NaN); }
      else throw damagedBlock("a message has no length");
      const start = at;
      at += length;
      if (!(at <= bytes.length)) throw damagedBlock("a message is cut");
      if (visit(seq++, time, start, at) === true) return;
    }
  }
  if (seq !== end) throw damagedBlock("it has fewer messages than it says");
}

/**
 * Two blocks of which one follows the other as one.
 *
 * @param {{ bytes: Uint8Array, t1: number }} before
 * @param {{ bytes: Uint8Array, t0: number }} after
 * @returns {Uint8Array}
 */
export function joinBlocks(before, after) {
  // The first read of a block came 0 microseconds after its beginning: that one byte becomes the time in between.
  let at = 0;
  while (after.bytes[at] >= 128) at++;
  at++;
  const pause = encodeVarint(after.t0 - before.t1);
  const joined = new Uint8Array(before.bytes.length + after.bytes.length - 1 + pause.length);
  joined.set(before.bytes);
  joined.set(after.bytes.subarray(0, at), before.bytes.length);
  joined.set(pause, before.bytes.length + at);
  joined.set(after.bytes.subarray(at + 1), before.bytes.length + at + pause.length);
  return joined;
}

/**
 * @param {number} value
 * @returns {number[]}
 */
export function encodeVarint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  bytes.push(value);
  return bytes;
}

/**
 * @param {string} what
 * @returns {Error & { archiveCode: string }}
 */
function damagedBlock(what) {
  return Object.assign(new Error(`Cannot read block: ${what}`), { archiveCode: "damaged" });
}
