/**
 * CURVE keys in files, and the flags that name them.
 *
 * @module
 */
import type { CurveClientOptions } from "../zmtp/mod.ts";
import { type FlagValues, ProgramError, UsageError } from "./command_line.ts";

/** Z85: no white space, no quotes, no comma; `#` is a character of a key. */
const KEY = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;

/**
 * The key in a file: 40 characters of Z85, white space around them.
 *
 * @throws {ProgramError} If the file cannot be read, or holds something else. The text never shows what it holds.
 */
export function readKeyFile(flag: string, file: string): string {
  const text = readFile(flag, file).trim();
  if (!KEY.test(text)) {
    throw new ProgramError(`Cannot use --${flag} ${file}: it does not hold one key of 40 characters`);
  }
  return text;
}

/**
 * The keys in a file, one on each line; what follows behind white space is for people.
 *
 * @throws {ProgramError} If the file cannot be read, or a line does not begin with a key.
 */
export function readKeyList(flag: string, file: string): string[] {
  const keys: string[] = [];
  for (const [index, line] of readFile(flag, file).split("\n").entries()) {
    const [key] = line.trim().split(/\s/, 1);
    if (key === "" || key === undefined || key === "#") continue;
    if (!KEY.test(key)) {
      throw new ProgramError(
        `Cannot use --${flag} ${file}: line ${
          index + 1
        } does not begin with a key of 40 characters (or with "# ")`,
      );
    }
    keys.push(key);
  }
  return keys;
}

/** The flags of a client for a broker with CURVE. */
export const CURVE_CLIENT_FLAGS = {
  "server-key": { type: "string" },
  "curve-secret-file": { type: "string" },
} as const;

/** The keys that those flags give; undefined without them. */
export function curveClientOptions(values: FlagValues): CurveClientOptions | undefined {
  const serverKey = values["server-key"];
  const file = values["curve-secret-file"];
  if (typeof serverKey !== "string") {
    if (file === undefined) return undefined;
    throw new UsageError("Cannot use --curve-secret-file: --server-key, the broker's public key, is missing");
  }
  return typeof file === "string"
    ? { serverKey, secretKey: readKeyFile("curve-secret-file", file) }
    : { serverKey };
}

function readFile(flag: string, file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    const why = cause instanceof Deno.errors.NotCapable
      ? `Deno's sandbox does not allow to read it, run with --allow-read=${file}`
      : cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : (cause as Error).message;
    throw new ProgramError(`Cannot use --${flag} ${file}: ${why}`, { cause });
  }
}
