/**
 * The flags of a program that serves the web: `broker.ts --http` and `http.ts` have the same.
 *
 * @module
 */
import type { GatewayOptions } from "../http/options.ts";
import { type FlagValues, UsageError } from "./arguments.ts";
import { integerFlag, ProgramError } from "./command_line.ts";
import { explainFile, readToken } from "./key_file.ts";
import { complain } from "./log.ts";
import { SUMMARY_MS, Troubles } from "./troubles.ts";

/** See the module. */
export const WEB_FLAGS = {
  "token": { type: "string", value: "auto" },
  "token-file": { type: "string", value: "F" },
  "no-token": { type: "boolean" },
  "allow-host": { type: "string", multiple: true, value: "NAME" },
  "allow-origin": { type: "string", multiple: true, value: "ORIGIN" },
  "max-body": { type: "string", value: "N" },
  "pages": { type: "string" },
} as const;

/** What `--help` says of them. */
export const WEB_HELP =
  `  --token auto         whoever comes from the web must show a token, which is made and printed
  --token-file F       the same with the token that F holds
  --no-token           let everyone in who can reach the port, also where the bus has keys
  --allow-host NAME    further name by which the gateway is reached; may be repeated
  --allow-origin O     pages of this origin, such as https://lab.example, may take part; may be repeated
  --max-body N         bytes of a POST and of a WebSocket message at most; 1048576 by default
  --pages DIR          serve the web pages of a folder, too, with the same origin: they import /client.js;
                       deno run --allow-net=127.0.0.1 --allow-read=DIR`;

/** The options that the flags give. With keys on the bus, the web has a token unless it is said that it has none. */
export function webOptions(values: FlagValues, hasKeys: boolean): GatewayOptions {
  const token = tokenOf(values) ?? (hasKeys && values["no-token"] !== true ? "auto" : undefined);
  const maxBody = integerFlag(values, "max-body", 1, 1024 * 1024 * 1024);
  return {
    allowedHosts: (values["allow-host"] ?? []) as string[],
    allowedOrigins: (values["allow-origin"] ?? []) as string[],
    log: tellFirst(),
    ...(token === undefined ? {} : { token }),
    ...(maxBody === undefined ? {} : { maxBodyBytes: maxBody }),
    ...pagesOf(values),
  };
}

/** A folder that cannot be served is told at the start, not to whoever opens a page. */
function pagesOf({ pages }: FlagValues): Pick<GatewayOptions, "pages"> {
  if (typeof pages !== "string") return {};
  let why = "it is no folder";
  try {
    if (Deno.statSync(pages).isDirectory) return { pages };
  } catch (error) {
    why = explainFile(error, "read", pages);
  }
  throw new ProgramError(`Cannot use --pages ${pages}: ${why}`);
}

/** Of a kind that may come by the hundred, the first is told, and then once a minute how many there were. */
function tellFirst(): NonNullable<GatewayOptions["log"]> {
  const troubles = new Troubles(complain);
  let summaries: ReturnType<typeof setInterval> | undefined;
  return (line, kind) => {
    if (kind === undefined) return complain(line);
    troubles.add(kind, "", () => line);
    summaries ??= setInterval(() => troubles.summarize(), SUMMARY_MS);
  };
}

function tokenOf(values: FlagValues): string | undefined {
  const given = ["token", "token-file", "no-token"].filter((name) => values[name] !== undefined);
  if (given.length > 1) throw new UsageError(`Cannot use --${given[0]} and --${given[1]} together`);
  const file = values["token-file"];
  if (typeof file === "string") return readToken("token-file", file);
  const { token } = values;
  if (typeof token !== "string") return undefined;
  if (token !== "auto") {
    complain(
      "warning: everyone on this machine can see --token in the list of processes; use --token-file or auto",
    );
  }
  return token;
}
