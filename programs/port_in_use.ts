/**
 * A port that another program uses, told with the flag that helps.
 *
 * @module
 */
import { ListenError } from "../base/errors.ts";
import { ProgramError } from "./command_line.ts";

/** Is that what went wrong? */
export function isInUse(error: unknown): error is ListenError {
  return error instanceof ListenError && error.code === "address-in-use";
}

/** Says which flag changes the port. */
export function portInUse(error: ListenError, flag: string): ProgramError {
  return new ProgramError(`${error.message}; choose another one with --${flag} N, 0 takes any free one`, {
    cause: error,
  });
}

/** Listens, or says which flag changes the port. */
export function listenOr<T>(flag: string, listen: () => T): T {
  try {
    return listen();
  } catch (error) {
    throw isInUse(error) ? portInUse(error, flag) : error;
  }
}
