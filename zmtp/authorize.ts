/**
 * Who may join: the caller's decision about each peer, asked for at the end of the handshake (what ZAP, RFC 27, is to libzmq).
 *
 * @module
 */
import { parseKey } from "./curve/keys.ts";
import type { Decision, Session } from "./session.ts";
import type { Authorize, AuthorizeRequest, CurveKey } from "./transport.ts";
import { encodeZ85 } from "./curve/z85.ts";

/** How a link of that role decides about its peer; undefined where everyone may join. */
export function decider(
  authorize: Authorize | undefined,
  role: AuthorizeRequest["role"],
): ((peer: { readonly session: Session; readonly hostname: string }) => Promise<Decision>) | undefined {
  if (authorize === undefined) return undefined;
  return ({ session, hostname }) => {
    const { mechanism, peerKey } = session;
    return decide(authorize, {
      address: hostname,
      mechanism: mechanism === "CURVE" ? "CURVE" : "NULL",
      publicKey: peerKey === undefined ? undefined : encodeZ85(peerKey),
      role,
    });
  };
}

/** Asks; never rejects. Only `true` lets anyone in. */
async function decide(authorize: Authorize, request: AuthorizeRequest): Promise<Decision> {
  try {
    const verdict = await authorize(request);
    if (verdict === true) return "allow";
    if (verdict === false) return "deny";
    return verdict === "temporary" ? "temporary" : "failed";
  } catch {
    return "failed";
  }
}

/**
 * For the option `authorize`: lets in whoever has proven to own one of these public keys, and nobody else. Without `curve` nobody
 * can prove it. With a name for a key, `[name, key]`, the broker shows who it is; a `Map` from names to keys is such a list.
 *
 * @throws {OptionError} `bad-option`: one of them is not a key.
 *
 * @example
 * ```ts
 * import { allowKeys, curveKeyPair, MessageServer } from "../mod.ts";
 *
 * const [broker, viewer] = [await curveKeyPair(), await curveKeyPair()];
 * await using server = new MessageServer({ curve: broker, authorize: allowKeys([viewer.publicKey]) });
 * await server.ready;
 * ```
 */
export function allowKeys(keys: Iterable<CurveKey | readonly [name: string, key: CurveKey]>): Authorize {
  const allowed = new Map(Array.from(keys, (entry, index) => {
    const [name, key] = Array.isArray(entry) ? entry : [undefined, entry as CurveKey];
    return [encodeZ85(parseKey(`allowKeys[${index}]`, key)), name] as const;
  }));
  const authorize: Authorize = ({ publicKey }) => publicKey !== undefined && allowed.has(publicKey);
  names.set(authorize, allowed);
  return authorize;
}

const names = new WeakMap<Authorize, ReadonlyMap<string, string | undefined>>();

/** The name that {@linkcode allowKeys} was given with a key; undefined without one, and for an `authorize` of another kind. */
export function keyNameOf(
  authorize: Authorize | undefined,
  publicKey: string | undefined,
): string | undefined {
  if (authorize === undefined || publicKey === undefined) return undefined;
  return names.get(authorize)?.get(publicKey);
}
