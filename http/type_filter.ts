/**
 * Which types of messages a client asked for: `type=subject,sample` or `type=vis*`.
 *
 * @module
 */
import type { FeedEntry } from "../bus/feed_entry.ts";

/** More patterns than any honest client sends; each costs a comparison per message. */
const MAX_PATTERNS = 100;

/** A set of types and of beginnings of types. */
export class TypeFilter {
  /** The same for every filter that lets the same types through: bodies are shared by it. */
  readonly key: string;
  readonly #types: ReadonlySet<string>;
  readonly #prefixes: readonly string[];

  private constructor(types: ReadonlySet<string>, prefixes: readonly string[]) {
    this.#types = types;
    this.#prefixes = prefixes;
    this.key = JSON.stringify([[...types].sort(), [...prefixes].sort()]);
  }

  /** Reads the values of all `type` parameters. Answers with a text when one is bad, `undefined` when there is none. */
  static parse(values: readonly string[]): TypeFilter | string | undefined {
    if (values.length === 0) return undefined;
    const types = new Set<string>();
    const prefixes = new Set<string>();
    for (const pattern of values.flatMap((value) => value.split(","))) {
      const star = pattern.indexOf("*");
      if (pattern === "") return "an empty type";
      if (star >= 0 && star < pattern.length - 1) return "a * that is not at the end";
      if (star >= 0) prefixes.add(pattern.slice(0, -1));
      else types.add(pattern);
      if (types.size + prefixes.size > MAX_PATTERNS) return `more than ${MAX_PATTERNS} types`;
    }
    return new TypeFilter(types, [...prefixes]);
  }

  /** The types; `undefined` when there are beginnings of types among them. */
  get types(): readonly string[] | undefined {
    return this.#prefixes.length > 0 ? undefined : [...this.#types];
  }

  /** The types, and beginnings of types with a `*` behind them. */
  get patterns(): readonly string[] {
    return [...this.#types, ...this.#prefixes.map((prefix) => `${prefix}*`)];
  }

  /** Does the message pass? One without a type never does. */
  matches(entry: FeedEntry): boolean {
    return entry.type !== undefined && this.matchesType(entry.type);
  }

  /** Is it one of the types? */
  matchesType(type: string): boolean {
    return this.#types.has(type) || this.#prefixes.some((prefix) => type.startsWith(prefix));
  }
}
