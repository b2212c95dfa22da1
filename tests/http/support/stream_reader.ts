/**
 * Reads an event stream as a browser does, from the specification of EventSource.
 */
export interface StreamEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

export class StreamReader implements AsyncDisposable {
  /** As the browser would send it. */
  lastId: string | undefined;
  retry: number | undefined;
  readonly #reader: ReadableStreamDefaultReader<string>;
  readonly #events: StreamEvent[] = [];
  #text = "";
  #hasEnded = false;
  #pumping: Promise<void> | undefined;
  #data: string[] = [];
  #event = "";

  constructor(response: Response) {
    if (response.body === null) throw new Error("The response has no body");
    this.#reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** The next event; `undefined` at the end, also at an abrupt one. */
  async next(): Promise<StreamEvent | undefined> {
    while (this.#events.length === 0 && !this.#hasEnded) await this.pump();
    return this.#events.shift();
  }

  /** Takes in what comes next. */
  pump(): Promise<void> {
    return this.#pumping ??= this.#pump().finally(() => this.#pumping = undefined);
  }

  async #pump(): Promise<void> {
    try {
      const { done, value } = await this.#reader.read();
      if (done) this.#hasEnded = true;
      else this.#take(value);
    } catch {
      this.#hasEnded = true;
    }
  }

  #take(chunk: string): void {
    this.#text += chunk;
    const lines = this.#text.split(/\r\n|\n|\r(?!$)/);
    this.#text = lines.pop()!;
    for (const line of lines) this.#takeLine(line);
  }

  #takeLine(line: string): void {
    if (line === "") {
      if (this.#data.length > 0) {
        this.#events.push({ id: this.lastId, event: this.#event || "message", data: this.#data.join("\n") });
      }
      this.#data = [];
      this.#event = "";
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id") this.lastId = value;
    else if (field === "retry") this.retry = Number(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}
