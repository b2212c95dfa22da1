/**
 * How answers are made: the headers that all of them have. Nothing is counted here and nothing is sent.
 *
 * @module
 */

/** A header. */
export type Header = readonly [name: string, value: string];

/** What an answer may hold. */
export type AnswerBody = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;

/** On every answer but the page's: no cache keeps it, no browser guesses its type, no foreign page embeds it. */
const BASE_HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
  "vary": "Origin",
};

/** The content type of every success that is JSON. */
export const JSON_TYPE = "application/json; charset=UTF-8";

/** Any answer, with the headers that all answers have; those given win. */
export function answer(body: AnswerBody, status: number, headers: readonly Header[]): Response {
  // As an object: Deno takes a list of pairs apart by its iterators, which costs twice as much.
  return new Response(body, { status, headers: { ...BASE_HEADERS, ...Object.fromEntries(headers) } });
}

/** A body that is JSON, with the headers that all answers have. */
export function json(body: string, status = 200, headers: readonly Header[] = []): Response {
  return answer(body, status, [["content-type", JSON_TYPE], ...headers]);
}
