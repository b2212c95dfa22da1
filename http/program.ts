/**
 * The gateway as a program.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { PassiveMessageClient } from "../client.ts";
import { type GatewayServer, serveGateway, type ServeGatewayOptions } from "./server.ts";
import { VERSION } from "./version.ts";

const HELP =
  `Message bus over HTTP ${VERSION}: poll, long-poll, history, event stream, WebSocket, and a live page.

Usage:
  deno run --allow-net=127.0.0.1 http.ts --broadcast ADDRESS --receive ADDRESS [options]

Options:
  --broadcast ADDRESS   where the broker sends, such as tcp://127.0.0.1:5555
  --receive ADDRESS     where the broker takes messages; without it nothing can be sent
  -p, --port N          port to listen at, 0 for any free one            (8000)
  --hostname NAME       address to listen at; other than loopback needs --token or --insecure (127.0.0.1)
  --token TEXT          what clients must show; "auto" makes one and prints it
  --insecure            listen beyond this machine without a token
  --allow-host NAME     further name under which the gateway is reached; may be repeated
  --allow-origin ORIGIN pages of this origin may use the gateway; may be repeated
  --prefix PATH         mount all paths below this one
  --value               answer with messages as JSON values instead of JSON texts
  --max-waiters N       most clients that may wait at the same time      (2000)
  --history N           messages that are held for late clients          (1000)
  --json                print one line of JSON instead of text for people
  -h, --help            print this
  -V, --version         print the version

The sandbox needs --allow-net for the --hostname given and for the broker's host.
`;

/** Exit code for a wrong command line. */
const USAGE = 2;

/** What the command line asks for. */
interface Arguments {
  readonly help: boolean;
  readonly version: boolean;
  readonly json: boolean;
  readonly client: ConstructorParameters<typeof PassiveMessageClient>[0];
  readonly server: ServeGatewayOptions;
}

/** Runs the program: ends by a signal, or with an exit code when it cannot start. */
export async function runGateway(args: readonly string[] = Deno.args): Promise<void> {
  let parsed: Arguments;
  try {
    parsed = readArguments(args);
  } catch (error) {
    return fail(`${messageOf(error)}. See --help`, USAGE);
  }
  if (parsed.help) return print(HELP.trimEnd());
  if (parsed.version) return print(VERSION);
  const stop = Promise.withResolvers<void>();
  let client: PassiveMessageClient;
  let server: GatewayServer;
  try {
    client = new PassiveMessageClient(parsed.client);
  } catch (error) {
    return fail(messageOf(error), USAGE);
  }
  try {
    server = serveGateway(client, { ...parsed.server, log: (line) => tell(line) });
  } catch (error) {
    await client.close({ lingerMs: 0 });
    return fail(
      messageOf(error),
      codeOf(error) === "bad-option" || codeOf(error) === "anonymous-not-allowed" ? USAGE : 1,
    );
  }
  announce(server, client, parsed.json);
  let exitCode = 0;
  client.ready.catch((error: unknown) => {
    // The broker refuses us, or the sandbox does: waiting longer changes nothing.
    if (codeOf(error) === "closed") return;
    tell(messageOf(error));
    exitCode = 1;
    stop.resolve();
  });
  let isStopping = false;
  const handleSignal = () => {
    // The second one means it.
    if (isStopping) Deno.exit(130);
    isStopping = true;
    stop.resolve();
  };
  const signals: readonly Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, handleSignal);
  await stop.promise;
  await server.close();
  await client.close();
  for (const signal of signals) Deno.removeSignalListener(signal, handleSignal);
  // A client that does not read its answer could keep the process for as long as it likes.
  Deno.exit(exitCode);
}

function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    strict: true,
    allowPositionals: false,
    options: {
      "broadcast": { type: "string" },
      "receive": { type: "string" },
      "port": { type: "string", short: "p", default: "8000" },
      "hostname": { type: "string", default: "127.0.0.1" },
      "token": { type: "string" },
      "insecure": { type: "boolean", default: false },
      "allow-host": { type: "string", multiple: true, default: [] },
      "allow-origin": { type: "string", multiple: true, default: [] },
      "prefix": { type: "string", default: "" },
      "value": { type: "boolean", default: false },
      "max-waiters": { type: "string", default: "2000" },
      "history": { type: "string", default: "1000" },
      "json": { type: "boolean", default: false },
      "help": { type: "boolean", short: "h", default: false },
      "version": { type: "boolean", short: "V", default: false },
    },
  });
  if (!values.help && !values.version && values.broadcast === undefined && values.receive === undefined) {
    throw new Error("Cannot start: --broadcast ADDRESS or --receive ADDRESS is missing");
  }
  return {
    help: values.help,
    version: values.version,
    json: values.json,
    client: {
      ...(values.broadcast === undefined ? {} : { serverBroadcast: values.broadcast }),
      ...(values.receive === undefined ? {} : { serverReceive: values.receive }),
      history: { messages: readInteger("history", values.history, 1, 1_000_000) },
    },
    server: {
      port: readInteger("port", values.port, 0, 65_535),
      hostname: values.hostname,
      insecure: values.insecure,
      allowedHosts: values["allow-host"],
      allowedOrigins: values["allow-origin"],
      prefix: values.prefix,
      messageAs: values.value ? "value" : "text",
      maxWaiters: readInteger("max-waiters", values["max-waiters"], 0, 1_000_000),
      ...(values.token === undefined ? {} : { token: values.token }),
    },
  };
}

function readInteger(name: string, text: string, min: number, max: number): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (number >= min && number <= max) return number;
  throw new Error(
    `Cannot use --${name}: it is ${JSON.stringify(text)}, not a whole number from ${min} to ${max}`,
  );
}

function announce(server: GatewayServer, client: PassiveMessageClient, asJson: boolean): void {
  const { url, pageUrl, token } = server;
  const { serverBroadcast = null, serverReceive = null } = client;
  if (asJson) {
    return print(JSON.stringify({
      http: url,
      page: pageUrl,
      broadcastAddress: serverBroadcast,
      receiveAddress: serverReceive,
      token: token ?? null,
    }));
  }
  print(`Page:      ${pageUrl}`);
  print(`Messages:  ${url}/messages`);
  print(
    `Broker:    ${serverBroadcast ?? "nothing is received"} -> here -> ${serverReceive ?? "nothing is sent"}`,
  );
  if (token !== undefined) print(`Token:     ${token}`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  // One line, whatever the text of an error of Node's parser holds.
  return message.split("\n", 1)[0]!.replace(/\.$/, "");
}

function fail(message: string, exitCode: number): void {
  tell(message);
  Deno.exitCode = exitCode;
}

function print(line: string): void {
  // deno-lint-ignore no-console -- this is the program
  console.log(line);
}

function tell(line: string): void {
  // deno-lint-ignore no-console -- this is the program
  console.error(line);
}
