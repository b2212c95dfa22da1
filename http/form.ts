/**
 * The field `message` of a form, read as the original's server read it: of several the last one counts, white space around it
 * goes, and control characters become spaces.
 *
 * @module
 */
import { Problem } from "./problem.ts";

/** In bytes that are not valid, `fatal` makes the decoder throw instead of putting in U+FFFD. */
const decoder = new TextDecoder("utf-8", { fatal: true });
/** tornado web.py: `_remove_control_chars_regex`. Tab, line breaks, VT and FF stay. */
// deno-lint-ignore no-control-regex
const CONTROL_CHARACTERS = /[\x00-\x08\x0e-\x1f]/g;

/** Bytes to text. A byte order mark at the beginning is no part of it. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Problem("invalid-json", "Cannot take message: it is not UTF-8");
  }
}

/** `application/x-www-form-urlencoded`. */
export function parseUrlEncoded(body: Uint8Array): string {
  let found: string | undefined;
  for (const pair of decodeUtf8(body).split("&")) {
    const equals = pair.indexOf("=");
    const name = equals < 0 ? pair : pair.slice(0, equals);
    // Most names need no decoding, and the value of any other field none at all.
    if (name !== "message" && percentDecode(name) !== "message") continue;
    found = equals < 0 ? "" : pair.slice(equals + 1);
  }
  return clean(found === undefined ? undefined : percentDecode(found));
}

/** `multipart/form-data`. A file is not a field. */
export async function parseMultipart(body: Uint8Array, contentType: string): Promise<string> {
  let form: FormData;
  try {
    form = await new Response(new Uint8Array(body), { headers: { "content-type": contentType } }).formData();
  } catch {
    throw new Problem("missing-message", "Cannot read form: the multipart body is malformed");
  }
  const value = form.getAll("message").filter((entry) => typeof entry === "string").at(-1);
  // The form parser puts U+FFFD in place of what is not UTF-8. Where one is found, the bytes tell whether it was really sent.
  if (value?.includes("\ufffd") && [...form.values()].every((entry) => typeof entry === "string")) {
    decodeUtf8(body);
  }
  return clean(value);
}

function clean(value: string | undefined): string {
  if (value === undefined) {
    throw new Problem("missing-message", "Cannot find message: the form has no field of that name");
  }
  return value.replace(CONTROL_CHARACTERS, " ").trim();
}

function percentDecode(text: string): string {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    return percentDecodeLeniently(spaced);
  }
}

/** A `%` that begins no escape stays as it is, as in every browser; only bytes that are not UTF-8 are refused. */
function percentDecodeLeniently(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const out = new Uint8Array(bytes.length);
  let size = 0;
  for (let i = 0; i < bytes.length; i += 1) {
    const escaped = bytes[i] === 0x25 ? parseHex(bytes[i + 1]) * 16 + parseHex(bytes[i + 2]) : NaN;
    out[size] = Number.isNaN(escaped) ? bytes[i]! : escaped;
    if (!Number.isNaN(escaped)) i += 2;
    size += 1;
  }
  return decodeUtf8(out.subarray(0, size));
}

function parseHex(byte: number | undefined): number {
  return byte === undefined
    ? NaN
    : /[0-9A-Fa-f]/.test(String.fromCharCode(byte))
    ? parseInt(String.fromCharCode(byte), 16)
    : NaN;
}
