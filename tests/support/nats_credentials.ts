/** What `nsc` makes: an operator, accounts, and users with `.creds` files, for a server that knows them by their signatures. */
import { nkeys } from "./packages/nats_core.ts";

type KeyPair = ReturnType<typeof nkeys.createUser>;

const encoder = new TextEncoder();
const NO_LIMITS = { subs: -1, data: -1, payload: -1 };

/** An operator with one account that has JetStream. */
export class NatsOperator {
  readonly #operator = nkeys.createOperator();
  readonly #account = nkeys.createAccount();
  readonly #system = nkeys.createAccount();

  /** For the server's configuration. */
  get config(): string {
    const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
    const account = (pair: KeyPair, more: object) =>
      token(this.#operator, pair, {
        limits: { ...NO_LIMITS, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1, ...more },
        default_permissions: { pub: {}, sub: {} },
        type: "account",
      });
    return `operator: "${token(this.#operator, this.#operator, { type: "operator" })}"
system_account: ${this.#system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${this.#account.getPublicKey()}: "${account(this.#account, storage)}"
  ${this.#system.getPublicKey()}: "${account(this.#system, {})}"
}`;
  }

  /** The text of a user's `.creds` file, for so many seconds; `permissions` as in a JWT. */
  creds(seconds = 3600, permissions: { readonly pub?: object; readonly sub?: object } = {}): string {
    const user = nkeys.createUser();
    const jwt = token(
      this.#account,
      user,
      { pub: {}, sub: {}, ...permissions, ...NO_LIMITS, type: "user" },
      Math.floor(Date.now() / 1000) + seconds,
    );
    return `-----BEGIN NATS USER JWT-----
${jwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.

-----BEGIN USER NKEY SEED-----
${new TextDecoder().decode(user.getSeed())}
------END USER NKEY SEED------
`;
  }
}

/** A JWT that `issuer` signs for `subject`. */
function token(issuer: KeyPair, subject: KeyPair, nats: object, exp?: number): string {
  const claims = {
    jti: crypto.randomUUID(),
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    name: "test",
    sub: subject.getPublicKey(),
    ...(exp === undefined ? {} : { exp }),
    nats: { ...nats, version: 2 },
  };
  const text = [{ typ: "JWT", alg: "ed25519-nkey" }, claims]
    .map((part) => encoder.encode(JSON.stringify(part)).toBase64(BASE64)).join(".");
  return `${text}.${issuer.sign(encoder.encode(text)).toBase64(BASE64)}`;
}

const BASE64 = { alphabet: "base64url", omitPadding: true } as const;
