/**
 * Messages as they stand on a command line: JSON objects, or the fields of one message, as in httpie: `type=subject subject:=119`.
 * Pure.
 *
 * @module
 */
import { explainJsonText } from "../bus/intake.ts";
import { MessageError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { UsageError } from "./arguments.ts";

/** `name=TEXT` or `name:=JSON`. */
const FIELD = /^([^\s"'{}[\]:=,]+)(:?=)([\s\S]*)$/;

/** The texts of the messages; fields make one message together. */
export function messagesOf(args: readonly string[]): string[] {
  const fields = args.map((arg) => FIELD.exec(arg));
  const isField = (i: number) => fields[i] !== null;
  const first = args.findIndex((_, i) => isField(i));
  if (first < 0) {
    for (const arg of args) checkMessage(arg);
    return [...args];
  }
  const other = args.findIndex((_, i) => !isField(i));
  if (other >= 0) {
    throw new UsageError(
      `Cannot use ${quote(args[other]!)} beside ${
        quote(args[first]!)
      }: expected JSON objects, or fields of one message, ` +
        "name=TEXT or name:=JSON",
    );
  }
  const members = new Map<string, string>();
  for (const field of fields) {
    const [all, name, sign, value] = field as unknown as [string, string, string, string];
    if (members.has(name)) throw new UsageError(`Cannot use ${quote(all)}: ${name} is there twice`);
    if (sign === ":=" && !isJson(value)) {
      throw new UsageError(`Cannot use ${quote(all)}: expected JSON behind :=, or ${name}=TEXT for a text`);
    }
    // As it was typed: a number with many digits keeps them.
    members.set(name, sign === ":=" ? value.trim() : JSON.stringify(value));
  }
  const text = `{${[...members].map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(",")}}`;
  checkMessage(text);
  return [text];
}

/** The message that somebody types in a line: JSON, or fields without white space in them. */
export function typedMessage(line: string): string {
  const words = line.trim().split(/\s+/);
  return words.every((word) => FIELD.test(word)) ? messagesOf(words)[0]! : line;
}

/** The bus takes every JSON object. */
export function checkMessage(text: string): void {
  const error = explainJsonText(text);
  if (error !== undefined) throw withWay(error, text);
}

/** Shells take away the quotes that JSON needs. */
function withWay(error: MessageError, text: string): MessageError {
  const isObject = /^\s*['{]/.test(text);
  if (error.code !== "not-json" || (isObject && text.includes('"'))) return error;
  const why = isObject
    ? "its quotes are missing, which a shell may have taken away; type=subject subject:=119 needs none"
    : "expected a JSON object, or fields such as type=subject subject:=119";
  return new MessageError(error.code, `${error.message}; ${why}`);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
