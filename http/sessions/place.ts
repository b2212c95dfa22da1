/**
 * Which archive, session and message a request is about.
 *
 * @module
 */
import type { ArchivePort } from "../../bus/recording.ts";
import type { Gate } from "../gate.ts";
import { numbersIn, pathOf } from "../path.ts";
import { Problem } from "../problem.ts";
import type { Call } from "../route.ts";

/** The archive of the gateway. */
export function archiveOf(gate: Gate): ArchivePort {
  const { archive } = gate.settings;
  if (archive !== undefined) return archive;
  throw new Problem(
    "no-archive",
    "Cannot look into an archive: this gateway was started without --archive FILE",
  );
}

/** The archive, and the numbers in the path: the session's first. */
export function placeOf(
  gate: Gate,
  call: Call,
): { readonly archive: ArchivePort; readonly session: number; readonly entry: number } {
  const archive = archiveOf(gate);
  const [session = 0, entry = 0] = numbersIn(pathOf(call.request.url).slice(gate.settings.prefix.length));
  return { archive, session, entry };
}
