/**
 * One of the two Workers of an archive: calls to it, and what it tells by itself.
 *
 * @module
 */
import { ArchiveError } from "../base/errors.ts";
import block from "./worker/block.js" with { type: "text" };
import blocks from "./worker/blocks.js" with { type: "text" };
import content from "./worker/content.js" with { type: "text" };
import copy from "./worker/copy.js" with { type: "text" };
import file from "./worker/file.js" with { type: "text" };
import message from "./worker/message.js" with { type: "text" };
import reader from "./worker/reader.js" with { type: "text" };
import rows from "./worker/rows.js" with { type: "text" };
import state from "./worker/state.js" with { type: "text" };
import writer from "./worker/writer.js" with { type: "text" };

/** What the Worker that writes tells by itself. */
export interface StorageHandler {
  /** A block, or a gap of no messages, is on disk; the buffer may be filled again. */
  handleWritten(messages: number, bytes: number, buffer: ArrayBuffer | undefined): void;
  /** It cannot write any more, or can again. */
  handleState(state: "recording" | "full" | "failed", message: string): void;
  /** The Worker is gone, and all that it had not written. */
  handleEnd(message: string): void;
  /** The file has this size now. */
  handleSize(bytes: number): void;
}

/** A block or a gap on its way to the file. */
export interface Row {
  /** Which of them: messages, messages that are missing, or another life of the broker. */
  readonly what: "block" | "gap" | "life";
  /** The session that it belongs to. */
  readonly session: number;
  /** When it begins, in microseconds. */
  readonly t0: number;
  /** When it ends. */
  readonly t1: number;
  /** What else it is about. */
  readonly [column: string]: unknown;
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly code: ArchiveError["code"]; readonly message: string };
  readonly written?: number;
  readonly size?: number;
  readonly buffer?: ArrayBuffer;
  readonly state?: "recording" | "full" | "failed";
  readonly message?: string;
  readonly fileBytes?: number;
}

/** See the module. */
export class Storage {
  /** Who hears of blocks. */
  handler: StorageHandler | undefined;
  readonly #path: string;
  readonly #worker: Worker;
  readonly #calls: Map<number, PromiseWithResolvers<unknown>> = new Map();
  #lastId = 0;
  #end: ArchiveError | undefined;
  readonly #hurry = new Int32Array(new SharedArrayBuffer(4));

  private constructor(path: string, role: "reader" | "writer") {
    this.#path = path;
    // Of all Workers only one from a data: URL needs no permission for its own script.
    this.#worker = new Worker(urlOf(role === "reader" ? reader : writer), {
      type: "module",
      name: `archive ${role}`,
    });
    this.#worker.onmessage = ({ data }) => this.#take(data);
    this.#worker.onerror = (event) => {
      event.preventDefault(); // Deno would end the whole program.
      this.#stop(
        new ArchiveError("failed", `Cannot use archive ${path}: its Worker ended: ${event.message}`),
      );
      this.handler?.handleEnd(event.message);
    };
  }

  /**
   * Opens a file.
   *
   * @throws {ArchiveError} If it cannot be opened. Nothing stays open.
   */
  static async open(path: string, role: "reader" | "writer", options: object): Promise<Storage> {
    const storage = new Storage(path, role);
    try {
      await storage.call("open", { file: path, hurry: storage.#hurry, ...options });
    } catch (error) {
      storage.#stop(new ArchiveError("closed", `Cannot use archive ${path}: it could not be opened`));
      throw error;
    }
    return storage;
  }

  /** Can it be used? */
  get isOpen(): boolean {
    return this.#end === undefined;
  }

  /** Asks for something. */
  call<T>(what: string, args: object = {}): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = ++this.#lastId;
    const answer = Promise.withResolvers<unknown>();
    this.#calls.set(id, answer);
    this.#worker.postMessage({ ...args, id, what });
    return answer.promise as Promise<T>;
  }

  /** Hands over a row, and the buffer that goes with it. Says whether anyone takes it. */
  tell(row: Row, buffers: ArrayBuffer[] = []): boolean {
    if (this.#end === undefined) this.#worker.postMessage(row, buffers);
    return this.#end === undefined;
  }

  /** Rows that are not written yet are not written any more; the end of a session counts them. */
  hurry(): void {
    Atomics.store(this.#hurry, 0, 1);
  }

  /** Closes the file and ends the Worker. */
  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    await this.call("close").catch(() => {});
    this.#stop(new ArchiveError("closed", `Cannot use archive ${this.#path}: it is closed`));
  }

  #take({ id, result, error, written, size, buffer, state, message, fileBytes }: Answer): void {
    if (written !== undefined) return this.handler?.handleWritten(written, size!, buffer);
    if (state !== undefined) return this.handler?.handleState(state, message ?? "");
    if (fileBytes !== undefined) return this.handler?.handleSize(fileBytes);
    const call = this.#calls.get(id!);
    this.#calls.delete(id!);
    if (error === undefined) return call?.resolve(result);
    const text = `Cannot use archive ${this.#path}: ${explain(this.#path, error)}`;
    call?.reject(new ArchiveError(error.code, text));
  }

  #stop(error: ArchiveError): void {
    this.#end ??= error;
    this.#worker.terminate();
    for (const call of this.#calls.values()) call.reject(error);
    this.#calls.clear();
  }
}

/** What the Workers are made of: each module after those that it imports. */
const MODULES = { block, file, message, blocks, content, rows, state, copy };

/** A module of a data: URL has no neighbours: what it imports becomes data: URLs as well. */
function urlOf(script: string): string {
  const urls: [string, string][] = [];
  const dataUrl = (text: string) => {
    for (const [name, url] of urls) text = text.replace(`"./${name}.js"`, JSON.stringify(url));
    return `data:text/javascript,${encodeURIComponent(text)}`;
  };
  for (const [name, text] of Object.entries(MODULES)) urls.push([name, dataUrl(text)]);
  return dataUrl(script);
}

function explain(
  path: string,
  { code, message }: { readonly code: string; readonly message: string },
): string {
  switch (code) {
    case "permission-denied":
      return /^Requires/.test(message)
        ? `run with --allow-read=${path} --allow-write=${path}`
        : `the operating system does not allow it (${message})`;
    case "not-an-archive":
      return "it is no archive; nothing in it was changed";
    case "not-found":
      return "there is no such file";
    case "damaged":
      return /^message \d/.test(message) ? message : `it is damaged (${message}); nothing in it was changed`;
    case "newer-version":
      return `${message}; nothing in it was changed`;
    case "in-use":
      return /records into it/.test(message) ? message : `another process keeps it busy (${message})`;
    default:
      return message;
  }
}
