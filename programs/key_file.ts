/**
 * CURVE keys in files, and the flags that name them.
 *
 * A file holds one key alone, or a certificate as pyzmq (`zmq.auth`) and czmq (`zcert`) write them, which is also how
 * `broker.ts --curve-keygen DIR` writes them:
 *
 * ```text
 * metadata
 *     server-key = "40 characters"        of ours only: the broker that the key is for
 * curve
 *     public-key = "40 characters"
 *     secret-key = "40 characters"
 * ```
 *
 * @module
 */
import type { CurveClientOptions, CurveServerOptions } from "../zmtp/mod.ts";
import { type Flags, type FlagValues, UsageError } from "./arguments.ts";
import { ProgramError } from "./command_line.ts";
import { complain } from "./log.ts";

/** Z85: no white space, no quotes, no comma; `#` is a character of a key. */
const KEY = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;
const ENTRY = /^[ \t]*(public-key|secret-key|server-key)[ \t]*=[ \t]*["']?([^"'\s]*)["']?[ \t]*\r?$/gm;
/** First line of a list of ours. What it names lies beside it. */
export const LIST_HEADER = "# Made by broker.ts --curve-keygen: who may join, for --allow-keys.";

/** What a file with keys holds. */
interface Keys {
  readonly publicKey?: string;
  readonly secretKey?: string;
  readonly serverKey?: string;
}

/**
 * The keys of a broker.
 *
 * @throws {ProgramError} If the file cannot be read, or holds no secret key. The text never shows what it holds.
 */
export function readServerKeys(flag: string, file: string): CurveServerOptions {
  const { secretKey, publicKey } = readPair(flag, file);
  return { secretKey, ...(publicKey === undefined ? {} : { publicKey }) };
}

/** Somebody who may join. */
export interface Member {
  readonly publicKey: string;
  /** What stands behind the key in a list. */
  readonly name?: string;
}

/** Who may join, and whether `--curve-keygen` made the list. */
export interface Members {
  readonly members: readonly Member[];
  readonly isOurs: boolean;
}

/**
 * The keys in a list, one on each line, what follows behind white space being for people; or the public key of a certificate.
 *
 * @throws {ProgramError} If the file cannot be read, or a line does not begin with a key.
 */
export function readMembers(flag: string, file: string): Members {
  const text = readFile(flag, file);
  if (isCertificate(text)) {
    const { publicKey } = certificate(flag, file, text);
    if (publicKey === undefined) throw cannotUse(flag, file, "it holds no public key");
    return { members: [{ publicKey }], isOurs: false };
  }
  const members: Member[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const [publicKey, name] = line.trim().split(/\s+/, 2);
    if (publicKey === "" || publicKey === undefined || publicKey === "#") continue;
    if (!KEY.test(publicKey)) {
      throw cannotUse(
        flag,
        file,
        `line ${index + 1} does not begin with a key of 40 characters (or with "# ")`,
      );
    }
    members.push({ publicKey, ...(name === undefined ? {} : { name }) });
  }
  return { members, isOurs: text.startsWith(LIST_HEADER) };
}

/** The flags of a client for a broker with CURVE. */
export const CURVE_CLIENT_FLAGS: Flags = {
  "server-key": {
    type: "string",
    value: "KEY",
    help: "for a broker with keys: its public key, or the file that holds it",
  },
  "key-file": {
    type: "string",
    value: "F",
    help: "for a broker that knows its clients by key: the file with yours, as broker.ts --curve-keygen,\n" +
      "pyzmq or czmq write it; one of broker.ts names the broker's key, too",
  },
  "curve-secret-file": { type: "string", isHidden: true },
};

/** The keys that those flags give; undefined without them. */
export function curveClientOptions(values: FlagValues): CurveClientOptions | undefined {
  const flag = values["key-file"] === undefined ? "curve-secret-file" : "key-file";
  const file = values[flag];
  const ours: Keys = typeof file === "string" ? readPair(flag, file) : {};
  const serverKey = typeof values["server-key"] === "string"
    ? publicKeyOf("server-key", values["server-key"])
    : ours.serverKey;
  if (serverKey === undefined) {
    if (file === undefined) return undefined;
    throw new UsageError(`Cannot use --${flag}: --server-key, the broker's public key, is missing`);
  }
  const { publicKey, secretKey } = ours;
  return {
    serverKey,
    ...(secretKey === undefined ? {} : { secretKey }),
    ...(publicKey === undefined ? {} : { publicKey }),
  };
}

/** A file that nobody else should read, without its white space at both ends. */
export function readToken(flag: string, file: string): string {
  const token = readFile(flag, file).trim();
  if (token === "") throw cannotUse(flag, file, "it is empty");
  warnOfReaders(flag, file);
  return token;
}

function readPair(flag: string, file: string): Keys & { readonly secretKey: string } {
  const text = readFile(flag, file).trim();
  const keys = KEY.test(text) ? { secretKey: text } : certificate(flag, file, text);
  const { secretKey } = keys;
  if (secretKey === undefined) {
    throw cannotUse(flag, file, "it holds no secret key; pyzmq has it in the file that ends with _secret");
  }
  warnOfReaders(flag, file);
  return { ...keys, secretKey };
}

/** Some files are read again and again. */
const warned: Set<string> = new Set();

function warnOfReaders(flag: string, file: string): void {
  const { mode } = Deno.statSync(file); // null on Windows, which has other means
  if (mode === null || (mode & 0o077) === 0 || warned.has(file)) return;
  warned.add(file);
  complain(`warning: --${flag} ${file} can be read by others who use this machine: chmod 600 ${file}`);
}

function publicKeyOf(flag: string, keyOrFile: string): string {
  if (KEY.test(keyOrFile)) return keyOrFile;
  const text = readFile(flag, keyOrFile, "it is no key of 40 characters, and as a file: ").trim();
  const key = KEY.test(text) ? text : certificate(flag, keyOrFile, text).publicKey;
  if (key === undefined) throw cannotUse(flag, keyOrFile, "it holds no public key");
  return key;
}

function isCertificate(text: string): boolean {
  return /^[ \t]*public-key[ \t]*=/m.test(text);
}

function certificate(flag: string, file: string, text: string): Keys {
  const keys: Record<string, string> = {};
  for (const [, name, key] of text.matchAll(ENTRY)) {
    if (!KEY.test(key!)) throw cannotUse(flag, file, `its ${name} is no key of 40 characters`);
    keys[name!] = key!;
  }
  if (Object.keys(keys).length === 0) {
    throw cannotUse(flag, file, "it holds neither one key of 40 characters nor a certificate");
  }
  return {
    ...(keys["public-key"] === undefined ? {} : { publicKey: keys["public-key"] }),
    ...(keys["secret-key"] === undefined ? {} : { secretKey: keys["secret-key"] }),
    ...(keys["server-key"] === undefined ? {} : { serverKey: keys["server-key"] }),
  };
}

function cannotUse(flag: string, file: string, why: string, cause?: unknown): ProgramError {
  return new ProgramError(`Cannot use --${flag} ${file}: ${why}`, { cause });
}

function readFile(flag: string, file: string, but = ""): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    throw cannotUse(flag, file, but + explainFile(cause, "read", file), cause);
  }
}

/** Why a file cannot be used, with the flag that would help. */
export function explainFile(error: unknown, what: "read" | "write", path: string): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `Deno's sandbox does not allow to ${what} it, run with --allow-${what}=${path}`;
  }
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  return error instanceof Error ? error.message : String(error);
}
