/**
 * A broker that is recorded, and a gateway that shows what was: all real, in a folder of its own.
 */
import assert from "node:assert/strict";
import { Archive, type ArchiveOptions, type Recorder, type RecordOptions } from "../../../archive/mod.ts";
import { MessageServer, type MessageServerOptions } from "../../../broker.ts";
import { type GatewayServer, serveGateway, type ServeGatewayOptions } from "../../../http.ts";
import { SESSION_PATHS } from "../../../http/openapi/sessions.ts";
import { quiet } from "./bus.ts";

/** What an answer of a gateway is, and what is in it. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // deno-lint-ignore no-explicit-any -- a test says what it expects in it
  readonly json: any;
}

export class Recorded implements AsyncDisposable {
  readonly folder: string;
  readonly archive: Archive;
  readonly recorder: Recorder;
  readonly server: MessageServer;
  readonly gateway: GatewayServer;

  private constructor(
    folder: string,
    archive: Archive,
    recorder: Recorder,
    server: MessageServer,
    gateway: GatewayServer,
  ) {
    this.folder = folder;
    this.archive = archive;
    this.recorder = recorder;
    this.server = server;
    this.gateway = gateway;
  }

  static async start(
    options: ServeGatewayOptions = {},
    record: RecordOptions = {},
    file: ArchiveOptions = {},
    bus: MessageServerOptions = {},
  ): Promise<Recorded> {
    const folder = await Deno.makeTempDir();
    const archive = await Archive.open(`${folder}/analysis.db`, file);
    const recorder = await archive.record({ name: "Tuesday", ...record });
    const server = new MessageServer({ recorder, ...bus });
    const gateway = serveGateway(server, { port: 0, ...quiet, archive, ...options });
    return new Recorded(folder, archive, recorder, server, gateway);
  }

  get url(): string {
    return this.gateway.url;
  }

  /** Messages come over the bus, and are on disk when this resolves. */
  async say(...messages: readonly (string | Readonly<Record<string, unknown>>)[]): Promise<void> {
    for (const message of messages) {
      this.server.sendJsonMessage(typeof message === "string" ? message : JSON.stringify(message));
    }
    await this.recorder.flushed();
  }

  /** So many messages at once that the recorder, which may hold little, loses most of them. */
  async flood(messages: number): Promise<void> {
    for (let n = 0; n < messages; n += 1) this.server.sendJsonMessage(`{"type":"cursor","n":${n}}`);
    await this.recorder.flushed();
  }

  /** Asks the gateway. A body is sent as JSON. */
  async ask(method: string, path: string, body?: unknown, headers: HeadersInit = {}): Promise<Answered> {
    const response = await fetch(this.url + path, {
      method,
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    requireDescribed(method, path, response.status);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get("content-type") ?? "") && text !== "";
    return {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson && !text.includes("\n") ? JSON.parse(text) : undefined,
    };
  }

  get(path: string): Promise<Answered> {
    return this.ask("GET", path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close({ lingerMs: 0 });
    await this.server.close();
    await this.archive.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Every answer of a route is one that /openapi.json tells of. */
function requireDescribed(method: string, path: string, status: number): void {
  const [template, operations] =
    Object.entries(SESSION_PATHS).find(([template]) =>
      new RegExp(`^${template.replace(/\{\w+\}/g, "\\d+")}$`).test(path.split("?")[0]!)
    ) ?? [];
  const operation = operations?.[method.toLowerCase()] as { readonly responses: object } | undefined;
  if (operation === undefined) return;
  assert.ok(String(status) in operation.responses, `${status} of ${method} ${template} is not described`);
}

/** A log message of an application, as the original's applications send it. */
export function log(
  action: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    type: "log",
    action,
    state: { zoom: 1 },
    pid: "a-1",
    application: "anova",
    time: 1_767_225_600,
    ...more,
  };
}
