/**
 * The client library, `npm:@nats-io/nats-core`: loaded when a backbone is used and not before. Only what is used of it has a type.
 *
 * @module
 */
import { TransportError } from "../base/errors.ts";
import { DenoTransport } from "./deno_transport.ts";

/** A version in full: a module from a URL has no import map and no lock file of ours. */
const PACKAGE = "npm:@nats-io/nats-core@3.4.0";

/** What a server says of itself. */
export interface ServerInfo {
  readonly version: string;
  readonly server_name?: string;
  readonly max_payload: number;
  readonly headers?: boolean;
  readonly jetstream?: boolean;
  readonly connect_urls?: readonly string[];
  readonly ldm?: boolean;
}

/** A message that came. */
export interface NatsMessage {
  readonly subject: string;
  readonly reply?: string;
  readonly data: Uint8Array;
  readonly headers?: {
    readonly code: number;
    readonly description: string;
    get(name: string): string;
  };
}

/** What a connection tells. */
export interface NatsStatus {
  readonly type: string;
  readonly error?: Error & { readonly operation?: string; readonly subject?: string };
}

/** A connection. */
export interface NatsConnection {
  readonly info?: ServerInfo;
  publish(
    subject: string,
    body?: Uint8Array | string,
    options?: { readonly reply?: string; readonly headers?: { encode(): Uint8Array } },
  ): void;
  subscribe(
    subject: string,
    options: { callback(error: Error | null, message: NatsMessage): void },
  ): { unsubscribe(): void };
  request(subject: string, body: string, options: { readonly timeout: number }): Promise<NatsMessage>;
  flush(): Promise<void>;
  status(): AsyncIterable<NatsStatus>;
  closed(): Promise<void | Error>;
  close(): Promise<void>;
}

/** The library. */
export interface NatsLibrary {
  connect(options: object): Promise<NatsConnection>;
  createInbox(): string;
  nkeyAuthenticator(seed: Uint8Array): unknown;
  credsAuthenticator(creds: Uint8Array): unknown;
}

let loading: Promise<NatsLibrary> | undefined;

/**
 * Loads it, once. A failed attempt is forgotten, so that it can be tried again.
 *
 * @throws {TransportError} `not-available`: npm cannot be reached and the package is not in Deno's cache.
 */
export function loadLibrary(): Promise<NatsLibrary> {
  return loading ??= load(PACKAGE).catch((cause: unknown) => {
    loading = undefined;
    throw new TransportError(
      "not-available",
      `Cannot use a backbone: its NATS client cannot be loaded; run "deno cache ${PACKAGE}" where npm can be reached`,
      { cause },
    );
  });
}

async function load(name: string): Promise<NatsLibrary> {
  // Not a literal: Deno would fetch the package when the program starts, for all who never use it.
  const internal = await import(`${name}/internal`) as {
    setTransportFactory(config: object): void;
    NatsConnectionImpl: { connect(options: object): Promise<NatsConnection> };
    createInbox(): string;
    nkeyAuthenticator(seed: Uint8Array): unknown;
    credsAuthenticator(creds: Uint8Array): unknown;
  };
  internal.setTransportFactory({ factory: () => new DenoTransport() });
  return {
    connect: (options) => internal.NatsConnectionImpl.connect(options),
    createInbox: () => internal.createInbox(),
    nkeyAuthenticator: (seed) => internal.nkeyAuthenticator(seed),
    credsAuthenticator: (creds) => internal.credsAuthenticator(creds),
  };
}
