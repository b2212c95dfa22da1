/**
 * XSalsa20-Poly1305 for messages. The many boxes of one direction of a connection have their key and the first sixteen octets of
 * their nonces in common, so HSalsa20 is done once for all; what is left is Salsa20 and Poly1305, in place. Messages of 100
 * octets take a tenth of the time of noble, which makes and wipes a dozen arrays for each; noble is what the tests compare with.
 *
 * Little endian, as every machine is that Deno runs on. No branch and no index depends on a secret.
 *
 * @module
 */
import type { MessageCipher } from "./crypto.ts";

const TAG_SIZE = 16;

/** Words of a block of Salsa20. */
const BLOCK_WORDS = 16;
/** Words of the first block that are not for the content: they are the key of Poly1305. */
const POLY_KEY_WORDS = 8;
const POLY_KEY_SIZE = 32;
/** Octets that are worked on at once: a multiple of the blocks of both, small enough for the processor's cache. */
const CHUNK_SIZE = 4096;

// One set for all connections; nothing is kept in it from one call to the next.
/** Octets of the key stream's place from one multiple of the chunk's size to the next, and room for Poly1305's padding. */
const words: Int32Array = new Int32Array(CHUNK_SIZE / 4 + 4);
const octets: Uint8Array = new Uint8Array(words.buffer);
/** The first block of the key stream. */
const first: Int32Array = new Int32Array(BLOCK_WORDS);
const tag: Int32Array = new Int32Array(TAG_SIZE / 4);
const tagOctets: Uint8Array = new Uint8Array(tag.buffer);

/** Seals and opens with the key that HSalsa20 gave. */
export class SalsaCipher implements MessageCipher {
  readonly #key: Int32Array;
  #nonce0 = 0;
  #nonce1 = 0;

  /** For a key of 32 octets, which it copies. */
  constructor(key: Uint8Array) {
    this.#key = new Int32Array(key.slice().buffer);
  }

  seal(bytes: Uint8Array, start: number, end: number, nonceHigh: number, nonceLow: number): void {
    this.#begin(nonceHigh, nonceLow);
    for (let at = start, lead = POLY_KEY_SIZE, block = 0; at < end;) {
      const size = Math.min(CHUNK_SIZE - lead, end - at);
      octets.set(bytes.subarray(at, at + size), lead);
      this.#crypt(lead, size, block);
      bytes.set(octets.subarray(lead, lead + size), at);
      authenticate(lead / 4, size);
      at += size;
      block += CHUNK_SIZE / 64;
      lead = 0;
    }
    finish();
    bytes.set(tagOctets, start - TAG_SIZE);
  }

  open(
    bytes: Uint8Array,
    start: number,
    end: number,
    nonceHigh: number,
    nonceLow: number,
    into: Uint8Array,
    at: number,
  ): boolean {
    if (end - start < TAG_SIZE) return false;
    this.#begin(nonceHigh, nonceLow);
    const content = start + TAG_SIZE;
    for (let from = content, lead = POLY_KEY_SIZE; from < end; lead = 0) {
      const size = Math.min(CHUNK_SIZE - lead, end - from);
      octets.set(bytes.subarray(from, from + size), lead);
      authenticate(lead / 4, size);
      from += size;
    }
    finish();
    let difference = 0;
    for (let i = 0; i < TAG_SIZE; i++) difference |= bytes[start + i]! ^ tagOctets[i]!;
    if (difference !== 0) return false;
    const isLoaded = end - content <= CHUNK_SIZE - POLY_KEY_SIZE;
    for (let from = content, lead = POLY_KEY_SIZE, block = 0; from < end;) {
      const size = Math.min(CHUNK_SIZE - lead, end - from);
      if (!isLoaded) octets.set(bytes.subarray(from, from + size), lead);
      this.#crypt(lead, size, block);
      into.set(octets.subarray(lead, lead + size), at + from - content);
      from += size;
      block += CHUNK_SIZE / 64;
      lead = 0;
    }
    return true;
  }

  forget(): void {
    this.#key.fill(0);
    words.fill(0);
    first.fill(0);
    polyKey.fill(0);
  }

  /** Makes the first block of the key stream, half of which is the key of Poly1305. */
  #begin(nonceHigh: number, nonceLow: number): void {
    this.#nonce0 = swap(nonceHigh);
    this.#nonce1 = swap(nonceLow);
    first.fill(0);
    salsa20(this.#key, this.#nonce0, this.#nonce1, 0, first, 0);
    beginTag(first);
  }

  /** Applies the key stream, from its `block`th block on, to the octets of the chunk behind `lead`. */
  #crypt(lead: number, size: number, block: number): void {
    let at = 0;
    if (lead > 0) {
      for (let i = POLY_KEY_WORDS; i < BLOCK_WORDS; i++) words[i]! ^= first[i]!;
      at = BLOCK_WORDS;
      block++;
    }
    for (const end = (lead + size) / 4; at < end; at += BLOCK_WORDS) {
      salsa20(this.#key, this.#nonce0, this.#nonce1, block++, words, at);
    }
  }
}

/** The octets of a big-endian number as a little-endian word. */
function swap(value: number): number {
  return (value >>> 24) | ((value >>> 8) & 0xff00) | ((value & 0xff00) << 8) | (value << 24);
}

/** Applies one block of the key stream to sixteen words. A message of 2^32 blocks does not exist. */
function salsa20(k: Int32Array, n0: number, n1: number, block: number, into: Int32Array, at: number): void {
  const k0 = k[0]!, k1 = k[1]!, k2 = k[2]!, k3 = k[3]!, k4 = k[4]!, k5 = k[5]!, k6 = k[6]!, k7 = k[7]!;
  let x0 = 0x61707865, x1 = k0, x2 = k1, x3 = k2, x4 = k3, x5 = 0x3320646e, x6 = n0, x7 = n1;
  let x8 = block, x9 = 0, x10 = 0x79622d32, x11 = k4, x12 = k5, x13 = k6, x14 = k7, x15 = 0x6b206574;
  let t = 0;
  for (let round = 0; round < 10; round++) {
    t = (x0 + x12) | 0, x4 ^= (t << 7) | (t >>> 25);
    t = (x4 + x0) | 0, x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x4) | 0, x12 ^= (t << 13) | (t >>> 19);
    t = (x12 + x8) | 0, x0 ^= (t << 18) | (t >>> 14);
    t = (x5 + x1) | 0, x9 ^= (t << 7) | (t >>> 25);
    t = (x9 + x5) | 0, x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x9) | 0, x1 ^= (t << 13) | (t >>> 19);
    t = (x1 + x13) | 0, x5 ^= (t << 18) | (t >>> 14);
    t = (x10 + x6) | 0, x14 ^= (t << 7) | (t >>> 25);
    t = (x14 + x10) | 0, x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x14) | 0, x6 ^= (t << 13) | (t >>> 19);
    t = (x6 + x2) | 0, x10 ^= (t << 18) | (t >>> 14);
    t = (x15 + x11) | 0, x3 ^= (t << 7) | (t >>> 25);
    t = (x3 + x15) | 0, x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x3) | 0, x11 ^= (t << 13) | (t >>> 19);
    t = (x11 + x7) | 0, x15 ^= (t << 18) | (t >>> 14);
    t = (x0 + x3) | 0, x1 ^= (t << 7) | (t >>> 25);
    t = (x1 + x0) | 0, x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x1) | 0, x3 ^= (t << 13) | (t >>> 19);
    t = (x3 + x2) | 0, x0 ^= (t << 18) | (t >>> 14);
    t = (x5 + x4) | 0, x6 ^= (t << 7) | (t >>> 25);
    t = (x6 + x5) | 0, x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x6) | 0, x4 ^= (t << 13) | (t >>> 19);
    t = (x4 + x7) | 0, x5 ^= (t << 18) | (t >>> 14);
    t = (x10 + x9) | 0, x11 ^= (t << 7) | (t >>> 25);
    t = (x11 + x10) | 0, x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x11) | 0, x9 ^= (t << 13) | (t >>> 19);
    t = (x9 + x8) | 0, x10 ^= (t << 18) | (t >>> 14);
    t = (x15 + x14) | 0, x12 ^= (t << 7) | (t >>> 25);
    t = (x12 + x15) | 0, x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x12) | 0, x14 ^= (t << 13) | (t >>> 19);
    t = (x14 + x13) | 0, x15 ^= (t << 18) | (t >>> 14);
  }
  into[at]! ^= x0 + 0x61707865;
  into[at + 1]! ^= x1 + k0;
  into[at + 2]! ^= x2 + k1;
  into[at + 3]! ^= x3 + k2;
  into[at + 4]! ^= x4 + k3;
  into[at + 5]! ^= x5 + 0x3320646e;
  into[at + 6]! ^= x6 + n0;
  into[at + 7]! ^= x7 + n1;
  into[at + 8]! ^= x8 + block;
  into[at + 9]! ^= x9;
  into[at + 10]! ^= x10 + 0x79622d32;
  into[at + 11]! ^= x11 + k4;
  into[at + 12]! ^= x12 + k5;
  into[at + 13]! ^= x13 + k6;
  into[at + 14]! ^= x14 + k7;
  into[at + 15]! ^= x15 + 0x6b206574;
}

/** The tag of some octets under a key of 32, by itself: for the vectors of RFC 8439. */
export function poly1305(key: Uint8Array, content: Uint8Array): Uint8Array {
  beginTag(new Int32Array(key.slice().buffer));
  for (let at = 0; at < content.length; at += CHUNK_SIZE) {
    const size = Math.min(CHUNK_SIZE, content.length - at);
    octets.set(content.subarray(at, at + size));
    authenticate(0, size);
  }
  finish();
  return tagOctets.slice();
}

// Poly1305 (RFC 8439 §2.5) in doubles: six limbs of 22 bits. A product has 44 bits, 20 times one 49, and the sum of six of them
// less than 52: exact.

const LIMB = 0x40_0000;
const LIMB_MASK = 0x3f_ffff;
const PER_LIMB: number = 1 / LIMB;

/** r in six limbs, then s in four words. */
const polyKey: Float64Array = new Float64Array(10);
const sum: Float64Array = new Float64Array(6);

function beginTag(key: Int32Array): void {
  const r0 = key[0]! & 0x0fffffff,
    r1 = key[1]! & 0x0ffffffc,
    r2 = key[2]! & 0x0ffffffc,
    r3 = key[3]! & 0x0ffffffc;
  polyKey[0] = r0 & LIMB_MASK;
  polyKey[1] = ((r0 >>> 22) | (r1 << 10)) & LIMB_MASK;
  polyKey[2] = ((r1 >>> 12) | (r2 << 20)) & LIMB_MASK;
  polyKey[3] = (r2 >>> 2) & LIMB_MASK;
  polyKey[4] = ((r2 >>> 24) | (r3 << 8)) & LIMB_MASK;
  polyKey[5] = r3 >>> 14;
  for (let i = 0; i < 4; i++) polyKey[6 + i] = key[4 + i]! >>> 0;
  sum.fill(0);
}

/** Takes `size` octets of the chunk, from a word on, into the sum; only the last ones may be no whole block. */
function authenticate(from: number, size: number): void {
  const end = from + (size >>> 4) * 4;
  addBlocks(from, end, 0x4_0000); // 2^128
  const rest = size & 15;
  if (rest === 0) return;
  const at = 4 * end + rest;
  octets[at] = 1;
  octets.fill(0, at + 1, 4 * end + 16);
  addBlocks(end, end + 4, 0);
}

function addBlocks(from: number, end: number, highBit: number): void {
  const r0 = polyKey[0]!,
    r1 = polyKey[1]!,
    r2 = polyKey[2]!,
    r3 = polyKey[3]!,
    r4 = polyKey[4]!,
    r5 = polyKey[5]!;
  // What overflows six limbs is a multiple of 2^132, which is 4 x 2^130, and 2^130 is 5.
  const s1 = 20 * r1, s2 = 20 * r2, s3 = 20 * r3, s4 = 20 * r4, s5 = 20 * r5;
  let h0 = sum[0]!, h1 = sum[1]!, h2 = sum[2]!, h3 = sum[3]!, h4 = sum[4]!, h5 = sum[5]!;
  for (let at = from; at < end; at += 4) {
    const w0 = words[at]!, w1 = words[at + 1]!, w2 = words[at + 2]!, w3 = words[at + 3]!;
    h0 += w0 & LIMB_MASK;
    h1 += ((w0 >>> 22) | (w1 << 10)) & LIMB_MASK;
    h2 += ((w1 >>> 12) | (w2 << 20)) & LIMB_MASK;
    h3 += (w2 >>> 2) & LIMB_MASK;
    h4 += ((w2 >>> 24) | (w3 << 8)) & LIMB_MASK;
    h5 += (w3 >>> 14) + highBit;
    const d0 = h0 * r0 + h1 * s5 + h2 * s4 + h3 * s3 + h4 * s2 + h5 * s1;
    let d1 = h0 * r1 + h1 * r0 + h2 * s5 + h3 * s4 + h4 * s3 + h5 * s2;
    let d2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s5 + h4 * s4 + h5 * s3;
    let d3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s5 + h5 * s4;
    let d4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0 + h5 * s5;
    let d5 = h0 * r5 + h1 * r4 + h2 * r3 + h3 * r2 + h4 * r1 + h5 * r0;
    let carry = Math.floor(d0 * PER_LIMB);
    h0 = d0 - carry * LIMB;
    d1 += carry;
    carry = Math.floor(d1 * PER_LIMB);
    h1 = d1 - carry * LIMB;
    d2 += carry;
    carry = Math.floor(d2 * PER_LIMB);
    h2 = d2 - carry * LIMB;
    d3 += carry;
    carry = Math.floor(d3 * PER_LIMB);
    h3 = d3 - carry * LIMB;
    d4 += carry;
    carry = Math.floor(d4 * PER_LIMB);
    h4 = d4 - carry * LIMB;
    d5 += carry;
    carry = Math.floor(d5 * PER_LIMB);
    h5 = d5 - carry * LIMB;
    h0 += 20 * carry;
    carry = Math.floor(h0 * PER_LIMB);
    h0 -= carry * LIMB;
    h1 += carry;
  }
  sum[0] = h0, sum[1] = h1, sum[2] = h2, sum[3] = h3, sum[4] = h4, sum[5] = h5;
}

/** Reduces the sum, adds s, and leaves the tag in `tag`. */
function finish(): void {
  carryOver();
  // The sixth limb has 20 of the 130 bits.
  const over = Math.floor(sum[5]! / 0x10_0000);
  sum[5]! -= over * 0x10_0000;
  sum[0]! += 5 * over;
  carryOver();
  // Below 2^130 now; minus 2^130 - 5 if that is not negative, which the sixth limb of the sum plus 5 tells.
  const h0 = sum[0]!, h1 = sum[1]!, h2 = sum[2]!, h3 = sum[3]!, h4 = sum[4]!, h5 = sum[5]!;
  sum[0] = h0 + 5;
  carryOver();
  sum[5]! -= 0x10_0000;
  const keep = sum[5]! >> 31;
  const f0 = (h0 & keep) | (sum[0]! & ~keep), f1 = (h1 & keep) | (sum[1]! & ~keep);
  const f2 = (h2 & keep) | (sum[2]! & ~keep), f3 = (h3 & keep) | (sum[3]! & ~keep);
  const f4 = (h4 & keep) | (sum[4]! & ~keep), f5 = (h5 & keep) | (sum[5]! & ~keep);
  let word = ((f0 | (f1 << 22)) >>> 0) + polyKey[6]!;
  tag[0] = word;
  word = (((f1 >>> 10) | (f2 << 12)) >>> 0) + polyKey[7]! + Math.floor(word / 0x1_0000_0000);
  tag[1] = word;
  word = (((f2 >>> 20) | (f3 << 2) | (f4 << 24)) >>> 0) + polyKey[8]! + Math.floor(word / 0x1_0000_0000);
  tag[2] = word;
  tag[3] = (((f4 >>> 8) | (f5 << 14)) >>> 0) + polyKey[9]! + Math.floor(word / 0x1_0000_0000);
}

/** Brings the lower five limbs below 2^22. */
function carryOver(): void {
  for (let i = 0; i < 5; i++) {
    const carry = Math.floor(sum[i]! * PER_LIMB);
    sum[i]! -= carry * LIMB;
    sum[i + 1]! += carry;
  }
}
