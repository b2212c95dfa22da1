/**
 * Makes the keys of a broker and of its members: `broker.ts --curve-keygen DIR --member NAME`.
 *
 * ```text
 *   broker.key    the broker's pair              mode 0600
 *   broker.pub    its public key
 *   NAME.key      a member's pair, and the broker's public key: all that the member needs     mode 0600
 *   NAME.pub      the member's public key
 *   members.txt   the public keys of all members, for --allow-keys
 * ```
 *
 * @module
 */
import { type CurveKeyPair, curveKeyPair, formatPublicKey } from "../zmtp/mod.ts";
import { quote } from "../base/quote.ts";
import { UsageError } from "./arguments.ts";
import { ProgramError } from "./command_line.ts";
import { explainFile, LIST_HEADER, readServerKeys } from "./key_file.ts";

/** Names of the files that were made, or were there. */
export interface KeyFolder {
  readonly brokerKey: string;
  readonly brokerPub: string;
  readonly members: string;
  /** Path of the new key file of each member. */
  readonly memberKeys: readonly string[];
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Writes what is missing. Keys that are there stay: a folder can get further members.
 *
 * @throws {UsageError} If a name cannot be one of a file.
 * @throws {ProgramError} If a file cannot be written, or a member has keys already.
 */
export async function makeKeyFolder(folder: string, names: readonly string[]): Promise<KeyFolder> {
  const at = (name: string) => `${folder.replace(/[\\/]+$/, "")}/${name}`;
  for (const [index, name] of names.entries()) {
    if (!NAME.test(name) || /^(broker|members)$/i.test(name) || names.indexOf(name) !== index) {
      throw new UsageError(
        `Cannot use --member ${
          quote(name)
        }: expected letters, digits and . _ - , once, and neither broker nor members`,
      );
    }
  }
  const files = { brokerKey: at("broker.key"), brokerPub: at("broker.pub"), members: at("members.txt") };
  attempt(folder, () => Deno.mkdirSync(folder, { recursive: true, mode: 0o700 }));
  const broker = await curveKeyPair();
  const isNew = create(files.brokerKey, secretText("broker", broker), 0o600);
  const publicKey = isNew
    ? broker.publicKey
    : formatPublicKey(readServerKeys("curve-keygen", files.brokerKey));
  create(files.brokerPub, publicText("broker", publicKey), 0o644);
  create(files.members, `${LIST_HEADER}\n`, 0o644);
  const memberKeys: string[] = [];
  for (const name of names) {
    const pair = await curveKeyPair();
    const file = at(`${name}.key`);
    if (!create(file, secretText(name, pair, publicKey), 0o600)) {
      throw new ProgramError(`Cannot make keys of ${name}: ${file} is there already`);
    }
    create(at(`${name}.pub`), publicText(name, pair.publicKey), 0o644);
    attempt(
      files.members,
      () => Deno.writeTextFileSync(files.members, `${pair.publicKey} ${name}\n`, { append: true }),
    );
    memberKeys.push(file);
  }
  return { ...files, memberKeys };
}

function secretText(name: string, { publicKey, secretKey }: CurveKeyPair, serverKey?: string): string {
  return `#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT PROVIDE THIS FILE TO OTHER USERS nor change its permissions.

metadata
    name = "${name}"
${serverKey === undefined ? "" : `    server-key = "${serverKey}"\n`}curve
    public-key = "${publicKey}"
    secret-key = "${secretKey}"
`;
}

function publicText(name: string, publicKey: string): string {
  return `#   ZeroMQ CURVE Public Certificate

metadata
    name = "${name}"
curve
    public-key = "${publicKey}"
`;
}

/** Answers with false when the file is there already; nothing is ever overwritten. */
function create(file: string, text: string, mode: number): boolean {
  return attempt(file, () => {
    try {
      Deno.writeTextFileSync(file, text, { createNew: true, mode });
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return false;
      throw error;
    }
  });
}

function attempt<T>(path: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    const folder = path.replace(/[\\/][^\\/]*\.(key|pub|txt)$/, "");
    throw new ProgramError(`Cannot write ${path}: ${explainFile(cause, "write", folder)}`, { cause });
  }
}
