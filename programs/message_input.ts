/**
 * Messages out of a file or of stdin: the whole of it is one, or each line is.
 *
 * @module
 */
import { MessageError } from "../base/errors.ts";
import { UsageError } from "./arguments.ts";
import { ProgramError } from "./command_line.ts";
import { type InputLine, inputLines, MAX_LINE_BYTES } from "./input_lines.ts";
import { explainFile } from "./key_file.ts";
import { complain } from "./log.ts";
import { checkMessage, typedMessage } from "./message_arguments.ts";

/** Where to read. */
export interface Input {
  /** A path; `-` for stdin. */
  readonly file: string;
  /** Each line is a message, not the whole. */
  readonly lines: boolean;
}

/** A message, and where it stands. */
export interface InputMessage {
  readonly text: string;
  readonly where: string;
}

/** Something that cannot be one. */
export interface InputProblem {
  readonly problem: string;
  readonly where: string;
}

/**
 * Opens the file at once, and gives its messages.
 *
 * @throws {ProgramError} If it cannot be read, or is to be one message and is none. Of lines, a bad one is told in its place.
 */
export async function readMessages(
  { file, lines }: Input,
  signal: AbortSignal,
): Promise<AsyncIterable<InputMessage | InputProblem> | Iterable<InputMessage>> {
  const bytes = file === "-" ? chunks(Deno.stdin.readable, signal) : chunks(await open(file), signal);
  const isTyped = file === "-" && Deno.stdin.isTerminal();
  if (isTyped) {
    complain(
      lines
        ? 'A message a line: type=subject subject:=119, or {"type":"subject","subject":119}; Ctrl+D ends'
        : 'One message, such as {"type":"subject","subject":119}; Ctrl+D ends',
    );
  }
  return lines ? messagesIn(inputLines(bytes), isTyped) : [await wholeMessage(file, bytes)];
}

async function open(file: string): Promise<ReadableStream<Uint8Array>> {
  try {
    const opened = await Deno.open(file);
    if (!(await opened.stat()).isDirectory) return opened.readable;
    opened.close();
  } catch (cause) {
    throw new ProgramError(`Cannot use --file ${file}: ${explainFile(cause, "read", file)}`, { cause });
  }
  throw new ProgramError(`Cannot use --file ${file}: it is a folder`);
}

async function* messagesIn(
  lines: AsyncIterable<InputLine>,
  isTyped: boolean,
): AsyncGenerator<InputMessage | InputProblem> {
  for await (const { number, text: line, problem } of lines) {
    const where = `line ${number}`;
    if (line === undefined) yield { where, problem: `Cannot send message: ${problem}` };
    else if (line.trim() !== "") {
      try {
        const text = isTyped ? typedMessage(line) : line;
        checkMessage(text);
        yield { where, text };
      } catch (error) {
        if (!(error instanceof MessageError) && !(error instanceof UsageError)) throw error;
        yield { where, problem: error.message };
      }
    }
  }
}

async function wholeMessage(file: string, bytes: AsyncIterable<Uint8Array>): Promise<InputMessage> {
  const what = file === "-" ? "stdin" : `--file ${file}`;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    parts.push(chunk);
    size += chunk.length;
    if (size > MAX_LINE_BYTES) {
      throw new ProgramError(
        `Cannot use ${what}: it is larger than a message may be, ${MAX_LINE_BYTES} bytes; if each line is one, add --lines`,
      );
    }
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(
      await new Blob(parts as BlobPart[]).arrayBuffer(),
    );
  } catch {
    throw new ProgramError(`Cannot use ${what}: it is not UTF-8`);
  }
  const problem = text.trim() === "" ? "it is empty" : problemOf(text);
  if (problem === undefined) return { text, where: what };
  const { length } = text.split("\n").filter((line) => line.trim() !== "").slice(0, 2);
  const isLines = length === 2 && problemOf(text.trimStart().split("\n")[0]!) === undefined;
  throw new ProgramError(
    `Cannot use ${what}: ${problem}${isLines ? "; if each line is a message, add --lines" : ""}`,
  );
}

function problemOf(text: string): string | undefined {
  try {
    checkMessage(text);
    return undefined;
  } catch (error) {
    if (!(error instanceof MessageError)) throw error;
    return error.message;
  }
}

/** Throws the signal's reason when it is aborted: a line that is cut is no line. */
async function* chunks(stream: ReadableStream<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  stopped.catch(() => {});
  signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  for (let result; !(result = await Promise.race([reader.read(), stopped])).done;) yield result.value;
}
