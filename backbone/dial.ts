/**
 * Dials one NATS server of those that are known. The library never dials again by itself: a fresh connection has a fresh state, and
 * credentials that were repaired are read again.
 *
 * @module
 */
import type { NatsConnection, NatsLibrary } from "./library.ts";
import type { BackboneSettings } from "./options.ts";

/** What listens there has so long to answer as a NATS server does. */
const DIAL_MS = 3000;

/** The servers that are known: those that were given, and those of the same cluster that the sandbox lets us reach. */
export class Servers {
  readonly #given: readonly string[];
  #learnt: readonly string[] = [];

  constructor(given: readonly string[]) {
    this.#given = given;
  }

  /** All of them. */
  get all(): readonly string[] {
    return [...new Set([...this.#given, ...this.#learnt])];
  }

  /** A server told of the others. */
  learn(urls: readonly string[] = []): void {
    this.#learnt = urls.filter((host) => {
      try {
        // Asking must not make Deno ask a person.
        return Deno.permissions.querySync({ name: "net", host }).state === "granted";
      } catch {
        return false;
      }
    });
  }
}

/**
 * Connects to one of them.
 *
 * @throws What stood in the way at the last one that was tried.
 */
export async function dial(
  library: NatsLibrary,
  settings: BackboneSettings,
  servers: readonly string[],
  name: string,
): Promise<NatsConnection> {
  const { order, isTls, ca, pingMs } = settings;
  const auth = settings.auth();
  return await library.connect({
    servers: [...servers],
    name,
    noEcho: order === "local",
    reconnect: false,
    maxReconnectAttempts: 0,
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
    pingInterval: pingMs,
    maxPingOut: 2,
    timeout: DIAL_MS,
    ...(isTls ? { tls: { ca } } : {}),
    ...(auth.token === undefined ? {} : { token: auth.token }),
    ...(auth.user === undefined ? {} : { user: auth.user, pass: auth.password }),
    ...(auth.nkey === undefined
      ? {}
      : { authenticator: library.nkeyAuthenticator(encoder.encode(auth.nkey)) }),
    ...(auth.creds === undefined
      ? {}
      : { authenticator: library.credsAuthenticator(encoder.encode(credsText(auth.creds))) }),
  });
}

/** The library wants each line to end as on Unix, the last one as well. */
function credsText(text: string): string {
  return `${text.replaceAll("\r\n", "\n").trimEnd()}\n`;
}

const encoder = new TextEncoder();
