/**
 * A JSON text over several lines, as a person reads it: indented, every number and every escape as it came. Pure.
 *
 * @module
 */
import { colored, type Look, type Role } from "./terminal.ts";

/** Deeper levels stand where this one does: else the white space alone could fill the memory. */
const MAX_INDENT = 100;
/** On a terminal a text is shown up to so many characters: a screenshot would hide all else. */
const MAX_SHOWN = 1000;

/** The lines of a text that is known to be JSON. Takes time that grows with its length, and no stack. */
export function jsonLines(text: string, look: Look): string[] {
  const lines: string[] = [];
  let line = "";
  let depth = 0;
  const end = () => {
    lines.push(line);
    line = "  ".repeat(Math.min(depth, MAX_INDENT));
  };
  for (let at = 0; at < text.length;) {
    const char = text[at]!;
    if (char === '"') {
      const after = endOfString(text, at);
      const next = skipSpace(text, after);
      const isKey = text[next] === ":";
      line += colored(cut(text.slice(at, after), look), isKey ? "key" : "text", look);
      at = after;
    } else if (char === "{" || char === "[") {
      const next = skipSpace(text, at + 1);
      if (text[next] === "}" || text[next] === "]") {
        line += char + text[next];
        at = next + 1;
        continue;
      }
      line += char;
      depth++;
      end();
      at++;
    } else if (char === "}" || char === "]") {
      depth--;
      end();
      line += char;
      at++;
    } else if (char === ",") {
      line += ",";
      end();
      at++;
    } else if (char === ":") {
      line += ": ";
      at++;
    } else if (isSpace(char)) at++;
    else {
      const after = endOfWord(text, at);
      const role: Role = /[-\d]/.test(char) ? "number" : "word";
      line += colored(text.slice(at, after), role, look);
      at = after;
    }
  }
  lines.push(line);
  return lines;
}

function cut(string: string, { columns }: Look): string {
  if (columns === undefined || string.length <= MAX_SHOWN) return string;
  return `${string.slice(0, MAX_SHOWN)}…" (${string.length - 2} characters)`;
}

/** One behind the closing quote. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1;; at++) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    at = quote;
  }
}

function endOfWord(text: string, start: number): number {
  let at = start;
  while (at < text.length && !/[\s,:{}[\]"]/.test(text[at]!)) at++;
  return at;
}

function skipSpace(text: string, start: number): number {
  let at = start;
  while (at < text.length && isSpace(text[at]!)) at++;
  return at;
}

function isSpace(char: string): boolean {
  return char === " " || char === "\n" || char === "\r" || char === "\t";
}
