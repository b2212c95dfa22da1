/**
 * Whose a message is: `Bus-From: <instance> <number> <confirmed>`. An instance is one life of a broker; it numbers what it sends
 * 1, 2, 3 … and says up to which number NATS had confirmed all when it sent this one. Receivers go by these alone, never by a
 * configured name, which two sites may share.
 *
 * @module
 */

/** The header's name. */
export const FROM = "Bus-From";
/** The header by which a sender says how many of its messages will never come. */
export const GONE = "Bus-Gone";

/** Whose, and which one. */
export interface Origin {
  /** A life of a broker. */
  readonly instance: string;
  /** From 1 on. */
  readonly number: number;
  /** Its sender never says anything again up to this number. 0 when it does not say so. */
  readonly confirmed?: number;
}

/** A fresh instance: the name of the site, if it has one, and 12 random letters and digits. */
export function makeInstance(site: string): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const random = Array.from(bytes, (byte) => (byte % 36).toString(36)).join("");
  return site === "" ? random : `${site}.${random}`;
}

/** The name in an instance; empty when there is none. */
export function siteOf(instance: string): string {
  const dot = instance.lastIndexOf(".");
  return dot < 0 ? "" : instance.slice(0, dot);
}

/** Reads the header's value; undefined when it is none: then the message is a stranger's. */
export function parseOrigin(text: string): Origin | undefined {
  const match = ORIGIN.exec(text);
  if (match === null) return undefined;
  const number = Number(match[2]);
  const confirmed = Number(match[3] ?? 0);
  return Number.isSafeInteger(number) && confirmed < number
    ? { instance: match[1]!, number, confirmed }
    : undefined;
}

/** The bytes of the headers of a message, as they stand on the wire. */
export function encodeHeaders({ instance, number, confirmed = 0 }: Origin, gone = 0): Uint8Array {
  return encoder.encode(
    `NATS/1.0\r\n${FROM}: ${instance} ${number} ${confirmed}\r\n${
      gone === 0 ? "" : `${GONE}: ${gone}\r\n`
    }\r\n`,
  );
}

/** So many bytes the headers take at most. */
export const MAX_HEADER_BYTES = 192;

const ORIGIN = /^((?:[A-Za-z0-9_-]{1,64}\.)?[a-z0-9]{12}) ([1-9]\d{0,15})(?: (0|[1-9]\d{0,15}))?$/;
const encoder = new TextEncoder();
