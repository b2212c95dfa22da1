/** `broker.ts --archive F` as a process, with exactly the permissions that it asks for. */
import { Program } from "../../support/program.ts";
import type { TempFile } from "./files.ts";

/** What it prints with `--json`. */
export interface Announced {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
  readonly http: string;
  readonly session: number;
}

/** The flags that an archive needs. */
export function permissionsFor(path: string): string[] {
  return [`--allow-read=${path}`, `--allow-write=${path}`];
}

/** Starts one; with `before`, at the same addresses. */
export async function startBroker(
  { path }: TempFile,
  before?: Announced,
  ...flags: readonly string[]
): Promise<Program & Announced> {
  const port = (address = "") => address.match(/:(\d+)$/)?.[1] ?? "0";
  const program = new Program([
    ...permissionsFor(path),
    "broker.ts",
    "--json",
    ...["--archive", path],
    ...["--broadcast-port", port(before?.broadcastAddress)],
    ...["--receive-port", port(before?.receiveAddress)],
    ...["--http", port(before?.http)],
    ...flags,
  ]);
  const line = await program.line();
  if (line === undefined) throw new Error((await program.ended()).stderr);
  return Object.assign(program, JSON.parse(line) as Announced);
}
