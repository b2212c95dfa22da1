/**
 * An error of an archive as a problem.
 *
 * @module
 */
import type { ArchiveError } from "../../base/errors.ts";
import { Problem, type ProblemCode, retryAfter } from "../problem.ts";

const PROBLEM_OF: Readonly<Record<ArchiveError["code"], ProblemCode>> = {
  "no-session": "no-session",
  "no-entry": "no-entry",
  "running": "running",
  "read-only": "archive-read-only",
  "permission-denied": "archive-read-only",
  "damaged": "archive-damaged",
  "not-an-archive": "archive-damaged",
  "full": "archive-full",
  "not-found": "archive-unavailable",
  "newer-version": "archive-unavailable",
  "in-use": "archive-unavailable",
  "failed": "archive-unavailable",
  "closed": "archive-unavailable",
};

/** The problem of an error; undefined when no archive has thrown it. Its name tells: it may come from another copy of the module. */
export function archiveProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || error.name !== "ArchiveError") return undefined;
  const code = PROBLEM_OF[(error as ArchiveError).code];
  const headers: Record<string, string> = code === "archive-unavailable"
    ? { "retry-after": retryAfter() }
    : {};
  return new Problem(code, error.message, { headers });
}
