/**
 * The subject of a message: `braviz.<bus>.<type>`, so that others can ask for one type, and a server keeps the last of each.
 *
 * @module
 */

/** So many characters a type may have, escaped. */
export const MAX_TOKEN = 128;
/** So many types get a subject of their own: a server holds state for each. */
export const MAX_TYPES = 200;
/** Of messages whose type gets none. */
export const OTHER = "_other";
/** Of messages without a type. */
export const NONE = "_none";
/** Where a sender says that some of its messages will never come. */
export const LOST = "_lost";

/** Knows the types that one broker has seen. */
export class Subjects {
  readonly #prefix: string;
  readonly #known: Map<string, string> = new Map();

  /** For a bus. */
  constructor(bus: string) {
    this.#prefix = `braviz.${bus}.`;
  }

  /** All of them. */
  get all(): string {
    return `${this.#prefix}>`;
  }

  /** Where it is said that messages will never come. */
  get lost(): string {
    return this.#prefix + LOST;
  }

  /** Of messages of this type; undefined is for those without one. */
  of(type: string | undefined): string {
    if (type === undefined) return this.#prefix + NONE;
    const known = this.#known.get(type);
    if (known !== undefined) return known;
    const token = escapeType(type);
    if (token === undefined || this.#known.size >= MAX_TYPES) return this.#prefix + OTHER;
    const subject = this.#prefix + token;
    this.#known.set(type, subject);
    return subject;
  }
}

/**
 * A type as one token of a subject: letters, digits, `_` and `-` stay, all else is percent-encoded as UTF-8. One that begins with
 * `_` or `$` is ours or the server's, so its first character is encoded. Undefined when there is no such token: the type is empty,
 * too long, or no Unicode.
 */
export function escapeType(type: string): string | undefined {
  if (type === "" || type.length > MAX_TOKEN || !type.isWellFormed()) return undefined;
  const token = type
    .replace(/[^A-Za-z0-9_-]/gu, (char) => Array.from(encoder.encode(char), percent).join(""))
    .replace(/^_/, "%5F");
  return token.length > MAX_TOKEN ? undefined : token;
}

/** The type of a token; undefined for what {@linkcode escapeType} does not make. */
export function unescapeType(token: string): string | undefined {
  let type: string;
  try {
    type = decodeURIComponent(token);
  } catch {
    return undefined;
  }
  return escapeType(type) === token ? type : undefined;
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

const encoder = new TextEncoder();
