/**
 * Bodies that many want: each is made once for all who ask for the same.
 *
 * @module
 */
import type { FeedView } from "../bus/feed_view.ts";
import { find, type Found } from "./lookup.ts";
import type { TypeFilter } from "./type_filter.ts";

/** Most bodies that are kept: one for each position, filter and form among those who wait. */
const MAX_BODIES = 1000;

/** A body that many want. */
export interface Rendered<T> extends Found {
  /** What the format made of the messages; `undefined` when there are none and nothing is missing. */
  readonly body: T | undefined;
}

/** How messages become a body. There is one object for each kind of body: it is the key under which bodies are shared. */
export interface Format<T> {
  /** Most messages in one body. */
  readonly maxMessages: number;
  /** Most bytes of messages in one body; a single longer message still fits. */
  readonly maxLength: number;
  /** Makes the body. */
  render(found: Found, feed: FeedView): T;
}

/** What the last one who asked got. */
interface LastBody {
  readonly after: number;
  readonly filter: TypeFilter | undefined;
  readonly format: Format<unknown>;
  readonly rendered: Rendered<unknown>;
}

/** See the module. */
export class SharedBodies {
  readonly #feed: FeedView;
  readonly #bodies = new Map<Format<unknown>, Map<string, Map<number, Rendered<unknown>>>>();
  #count = 0;
  #last: LastBody | undefined;
  #isKeeping = false;

  constructor(feed: FeedView) {
    this.#feed = feed;
  }

  /** From now on bodies are kept: many are about to ask. */
  keep(): void {
    this.#isKeeping = true;
  }

  /** They have asked. */
  clear(): void {
    this.#isKeeping = false;
    this.#bodies.clear();
    this.#count = 0;
    this.#last = undefined;
  }

  /** Finds messages after a position, and makes the body. */
  render<T>(after: number, filter: TypeFilter | undefined, format: Format<T>): Rendered<T> {
    // Nearly always it is what the one before asked for.
    const last = this.#last;
    if (last !== undefined && last.after === after && last.filter === filter && last.format === format) {
      return last.rendered as Rendered<T>;
    }
    const byPosition = this.#isKeeping ? this.#bodiesOf(format, filter) : undefined;
    const known = byPosition?.get(after);
    // A known answer that found nothing at its end may be out of date; one that found something stays right.
    if (known !== undefined && (known.body !== undefined || known.position === this.#feed.position)) {
      return known as Rendered<T>;
    }
    const found = find(this.#feed, after, filter, format.maxMessages, format.maxLength);
    const isEmpty = found.entries.length === 0 && found.missed === 0;
    const rendered = { ...found, body: isEmpty ? undefined : format.render(found, this.#feed) };
    if (byPosition !== undefined && this.#count < MAX_BODIES) {
      if (known === undefined) this.#count += 1;
      byPosition.set(after, rendered);
      if (!isEmpty) this.#last = { after, filter, format, rendered };
    }
    return rendered;
  }

  #bodiesOf(
    format: Format<unknown>,
    filter: TypeFilter | undefined,
  ): Map<number, Rendered<unknown>> {
    const byFilter = this.#bodies.getOrInsertComputed(format, () => new Map());
    return byFilter.getOrInsertComputed(filter?.key ?? "", () => new Map());
  }
}
