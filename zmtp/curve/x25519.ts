/**
 * Keys of X25519 (RFC 7748), by Deno's own OpenSSL through `node:crypto`: needs no download and no permission, and takes the same
 * time whatever the secret is.
 *
 * @module
 */
import { KEY_SIZE, type KeyPair } from "./crypto.ts";

// Keys in DER (RFC 8410) are these bytes with the 32 of the key behind them.
const SECRET_KEY_DER = Uint8Array.fromHex("302e020100300506032b656e04220420");
const PUBLIC_KEY_DER = Uint8Array.fromHex("302a300506032b656e032100");

// deno-lint-ignore no-process-global -- a type
type NodeCrypto = ReturnType<typeof process.getBuiltinModule<"node:crypto">>;
let loaded: NodeCrypto | undefined;

/** A pair that nobody else has. */
export function freshKeyPair(): KeyPair {
  const secretKey = crypto.getRandomValues(new Uint8Array(KEY_SIZE));
  return { publicKey: publicKeyOf(secretKey), secretKey };
}

/** The public key of a secret one. */
export function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  const publicKey = nodeCrypto().createPublicKey(privateKey(secretKey) as never);
  return Uint8Array.from(publicKey.export({ format: "der", type: "spki" }).subarray(PUBLIC_KEY_DER.length));
}

function privateKey(secretKey: Uint8Array): ReturnType<NodeCrypto["createPrivateKey"]> {
  const key = der(SECRET_KEY_DER, secretKey);
  try {
    return nodeCrypto().createPrivateKey({ key: key as never, format: "der", type: "pkcs8" });
  } finally {
    key.fill(0);
  }
}

/** Loading takes 20 ms, so not before it is needed: most never use CURVE. */
function nodeCrypto(): NodeCrypto {
  // deno-lint-ignore no-process-global -- importing node:process would load it for everyone
  return loaded ??= process.getBuiltinModule("node:crypto");
}

function der(start: Uint8Array, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(start.length + KEY_SIZE);
  bytes.set(start);
  bytes.set(key, start.length);
  return bytes;
}
