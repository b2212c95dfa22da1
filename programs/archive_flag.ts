/**
 * `--archive F` of `broker.ts` and `http.ts`, and what is told of a recorder. Nothing of an archive is loaded without the flag.
 *
 * @module
 */
import type { Archive, Recorder, RecordOptions } from "../archive/mod.ts";
import type { FlagValues } from "./arguments.ts";
import { UsageError } from "./arguments.ts";
import { ProgramError } from "./command_line.ts";
import { quote } from "../base/quote.ts";

/** See the module. */
export const ARCHIVE_FLAGS = {
  "archive": { type: "string", value: "F" },
  "archive-size": { type: "string", value: "SIZE" },
} as const;

/** What `--help` says of them. */
export const ARCHIVE_HELP =
  `  --archive F          record everything into the file F, and go on from what is in it: add
                       --allow-read=F --allow-write=F; see docs/sessions.md
  --archive-size SIZE  with --archive: the file does not become larger, such as 2G; what comes then is lost to it`;

/** An archive that is being recorded; closing it ends the recorder, too. */
export interface Recording extends AsyncDisposable {
  readonly archive: Archive;
  readonly recorder: Recorder;
}

/** Opens the file of `--archive`, if it is given, and begins a session. */
export async function openRecording(
  values: FlagValues,
  options: RecordOptions,
  tell: (line: string) => void,
): Promise<Recording | undefined> {
  const { archive: path, "archive-size": size } = values;
  if (typeof path !== "string") {
    if (size !== undefined) throw new UsageError("Cannot use --archive-size: it goes with --archive F");
    return undefined;
  }
  return await beginRecording(
    path,
    size === undefined ? undefined : sizeFlag("archive-size", String(size)),
    options,
    tell,
  );
}

/** Opens a file and begins a session. */
export async function beginRecording(
  path: string,
  maxBytes: number | undefined,
  options: RecordOptions,
  tell: (line: string) => void,
): Promise<Recording> {
  const { Archive } = await import("../archive/mod.ts");
  const archive = await Archive.open(path, { maxBytes });
  try {
    const recorder = await archive.record(options);
    const tellRest = tellRecorder(recorder, path, tell);
    const close = async () => {
      const tellSlow = setTimeout(() => {
        const { recorded, onDisk } = recorder.stats();
        tell(
          `Still writing: ${recorded - onDisk} messages are not in ${quote(path)} yet; ` +
            "those that are not when the program ends are missing there",
        );
      }, SLOW_CLOSE_MS);
      await archive.close({ lingerMs: LINGER_MS });
      clearTimeout(tellSlow);
      tellRest();
    };
    return { archive, recorder, [Symbol.asyncDispose]: close };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** Tells what a person must know: it began behind a crash, it cannot write, it can again. Returns what tells of losses at the end. */
function tellRecorder(recorder: Recorder, path: string, tell: (line: string) => void): () => void {
  const into = quote(path);
  if (!recorder.lastWasClean) {
    tell(
      `The last session in ${into} ended without a goodbye: what came in its last quarter of a second may be missing`,
    );
  }
  let told = 0;
  const tellLost = (rest: string) => {
    const { lost } = recorder.stats();
    const missing = REASONS.reduce((sum, reason) => sum + (lost[reason] ?? 0), 0) - told;
    told += missing;
    if (missing > 0 || rest !== "") {
      tell(
        `${
          missing === 0 ? "No message is" : missing === 1 ? "1 message is" : `${missing} messages are`
        } missing in ${into}${rest}`,
      );
    }
  };
  recorder.handleLoss = (reason) =>
    tell(
      `Messages are lost to ${into} from now on: ${
        reason === "behind" ? "the disk is too slow" : "too much waits for it"
      }`,
    );
  recorder.handleTrouble = (state, trouble) => {
    if (state === "recording") return tellLost("; recording again");
    const why = state === "full" ? `there is no room (${trouble})` : trouble;
    tell(`Cannot record into ${into}: ${why}; trying again, and up to 64 MiB wait meanwhile`);
  };
  return () => tellLost("");
}

/** A person who waits for the end is told why after so long; it may also be that the program has to end first. */
const SLOW_CLOSE_MS = 1000;
/** The web side may have used three of the five seconds within which a program ends. */
const LINGER_MS = 1500;

/** What the recorder itself lost, not the bus before it. */
const REASONS = ["behind", "full", "failed"];

/** The value of a flag that is a size: `500M`, `2G`, or bytes. */
export function sizeFlag(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kMGT]?)(?:i?B)?$/i.exec(text);
  const factor = { "": 0, k: 1, m: 2, g: 3, t: 4 }[(match?.[2] ?? "").toLowerCase()] ?? 0;
  const bytes = match === null ? NaN : Math.floor(Number(match[1]) * 1024 ** factor);
  if (!(Number.isSafeInteger(bytes) && bytes >= 65_536)) {
    throw new UsageError(
      `Cannot use --${name} ${quote(text)}: expected a size of 64k or more, such as 500M or 2G`,
    );
  }
  return bytes;
}

/** A file that a person names has to be there. */
export function needFile(path: string | undefined): string {
  if (path === undefined) {
    throw new UsageError("Cannot open the archive: its file is missing on the command line");
  }
  if (path === "") throw new ProgramError("Cannot open the archive: its name is empty");
  return path;
}
