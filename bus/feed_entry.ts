/**
 * One message of a feed, or of whatever keeps messages for later: its bytes, and what is read out of them when it is asked for.
 *
 * @module
 */
import { typeOf } from "./json_member.ts";

/** One message that came. */
export class FeedEntry {
  /** Its position. */
  readonly position: number;
  /** When it came, in milliseconds since 1970-01-01 UTC. */
  readonly time: number;
  /** The bytes of its body, which do not change. */
  readonly body: Uint8Array;
  #text: string | undefined;
  #type: string | null | undefined;

  /** For a body that is known to be a JSON object. */
  constructor(position: number, time: number, body: Uint8Array) {
    this.position = position;
    this.time = time;
    this.body = body;
  }

  /** Its JSON text exactly as it came; decoded when it is first asked for. */
  get text(): string {
    return this.#text ??= decoder.decode(this.body);
  }

  /** Its `type`, if that is a text; looked up in the bytes when it is first asked for. */
  get type(): string | undefined {
    if (this.#type === undefined) this.#type = typeOf(this.body, 0, this.body.length) ?? null;
    return this.#type ?? undefined;
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
