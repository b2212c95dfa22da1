/**
 * Keys of CURVE as people have them: 40 characters of Z85, or 32 bytes.
 *
 * @module
 */
import { OptionError } from "../../base/errors.ts";
import { KEY_SIZE, type KeyPair } from "./crypto.ts";
import type { CurveClientOptions, CurveKey, CurveServerOptions } from "../transport.ts";
import { freshKeyPair, publicKeyOf } from "./x25519.ts";
import { decodeZ85, encodeZ85 } from "./z85.ts";

/** A pair of CURVE keys as text. */
export interface CurveKeyPair {
  /** 40 characters of Z85, for everyone to know. */
  readonly publicKey: string;
  /** 40 characters of Z85, for nobody else to know. */
  readonly secretKey: string;
}

/**
 * Makes a fresh pair of keys. Needs no permission and downloads nothing.
 *
 * @example
 * ```ts
 * import { curveKeyPair } from "../../mod.ts";
 *
 * const { publicKey, secretKey } = await curveKeyPair();
 * console.assert(publicKey.length === 40 && secretKey.length === 40);
 * ```
 */
export function curveKeyPair(): Promise<CurveKeyPair> {
  const { publicKey, secretKey } = freshKeyPair();
  return Promise.resolve({ publicKey: encodeZ85(publicKey), secretKey: encodeZ85(secretKey) });
}

/**
 * The 32 bytes of a key. Copies them.
 *
 * @throws {OptionError} `bad-option`: it is neither text of Z85 nor bytes of that size. The text does not show the key.
 */
export function parseKey(name: string, key: CurveKey): Uint8Array {
  if (key instanceof Uint8Array) {
    if (key.length === KEY_SIZE) return key.slice();
    throw badKey(name, `it has ${key.length} bytes, needs ${KEY_SIZE} or 40 characters of Z85`);
  }
  if (typeof key !== "string") throw badKey(name, "it is neither a text nor a Uint8Array");
  const bytes = decodeZ85(key);
  if (bytes === undefined) throw badKey(name, `its ${key.length} characters are not 40 of Z85`);
  if (bytes.length !== KEY_SIZE) {
    throw badKey(name, `it has ${key.length} characters, needs 40 of Z85 or ${KEY_SIZE} bytes`);
  }
  return bytes;
}

/**
 * The keys of a listening side.
 *
 * @throws {OptionError} `bad-option`: see {@linkcode parseKey}; or the public key does not belong to the secret one.
 */
export function parseServerKeys({ publicKey, secretKey }: CurveServerOptions): KeyPair {
  return parseKeyPair(secretKey, publicKey);
}

/**
 * The keys of a dialling side: a fresh pair where it brings none.
 *
 * @throws {OptionError} `bad-option`: see {@linkcode parseKey}; or a public key without its secret one.
 */
export function parseClientKeys(
  { serverKey, publicKey, secretKey }: CurveClientOptions,
): { readonly serverKey: Uint8Array; readonly keys: KeyPair } {
  const key = parseKey("curve.serverKey", serverKey);
  if (secretKey !== undefined) return { serverKey: key, keys: parseKeyPair(secretKey, publicKey) };
  if (publicKey !== undefined) throw badKey("curve.publicKey", "there is no curve.secretKey with it");
  return { serverKey: key, keys: freshKeyPair() };
}

/**
 * The public key, in Z85, that belongs to a server's secret one.
 *
 * @throws {OptionError} `bad-option`: as {@linkcode parseServerKeys}.
 */
export function formatPublicKey(options: CurveServerOptions): string {
  return encodeZ85(parseServerKeys(options).publicKey);
}

function parseKeyPair(secretKey: CurveKey, publicKey: CurveKey | undefined): KeyPair {
  const secret = parseKey("curve.secretKey", secretKey);
  const keys = { publicKey: publicKeyOf(secret), secretKey: secret };
  if (
    publicKey !== undefined && encodeZ85(parseKey("curve.publicKey", publicKey)) !== encodeZ85(keys.publicKey)
  ) {
    throw badKey("curve.publicKey", "it does not belong to curve.secretKey");
  }
  return keys;
}

function badKey(name: string, why: string): OptionError {
  return new OptionError("bad-option", `Cannot use ${name}: ${why}`);
}
