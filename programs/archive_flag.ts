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
    tellRecorder(recorder, path, tell);
    return { archive, recorder, [Symbol.asyncDispose]: () => archive.close() };
  } catch (error) {
    await archive.close();
    throw error;
  }
}

/** Tells what a person must know: it began behind a crash, it cannot write, it can again. */
function tellRecorder(recorder: Recorder, path: string, tell: (line: string) => void): void {
  if (!recorder.lastWasClean) {
    tell(
      `The last session in ${
        quote(path)
      } ended without a goodbye: what came in its last quarter of a second may be missing`,
    );
  }
  let lostBefore = 0;
  recorder.handleTrouble = (state, trouble) => {
    const lost = Object.values(recorder.stats().lost).reduce((sum, count) => sum + count, 0);
    switch (state) {
      case "full":
        return tell(
          `Cannot record into ${
            quote(path)
          }: there is no room (${trouble}); trying again, and 64 MiB wait meanwhile`,
        );
      case "failed":
        return tell(`Cannot record into ${quote(path)}: ${trouble}; trying again, and 64 MiB wait meanwhile`);
      default:
        tell(
          lost === lostBefore
            ? `Recording into ${quote(path)} again; nothing is missing`
            : `Recording into ${quote(path)} again; ${lost - lostBefore} messages are missing`,
        );
        lostBefore = lost;
    }
  };
}

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
