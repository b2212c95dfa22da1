/**
 * The gateway as a program; `http.ts` loads it when it is run.
 *
 * @module
 */
import { PassiveMessageClient, type PassiveMessageClientOptions } from "../bus/clients.ts";
import { ClosedError, OptionError } from "../base/errors.ts";
import { quote } from "../base/quote.ts";
import { type FlagValues, UsageError } from "./arguments.ts";
import { flagLines } from "./command.ts";
import { addressFlag, integerFlag, runProgram } from "./command_line.ts";
import { ARCHIVE_FLAGS, ARCHIVE_HELP, openRecording, type Recording } from "./archive_flag.ts";
import { needAddress } from "./client_flags.ts";
import { gapText, tellTrouble, withHint } from "./client_notes.ts";
import { CURVE_CLIENT_FLAGS, curveClientOptions } from "./key_file.ts";
import { complain, print, printText, startStamps } from "./log.ts";
import { DEFAULT_PORTS } from "./ports.ts";
import { listenOr } from "./port_in_use.ts";
import { aborted, type Stop } from "./stop.ts";
import { SUMMARY_MS, Troubles } from "./troubles.ts";
import { WEB_FLAGS, WEB_HELP, webOptions } from "./web_flags.ts";
import { type GatewayServer, serveGateway, type ServeGatewayOptions } from "../http/server.ts";

const HELP = `The bus on the web: poll, long-poll, history, event stream, WebSocket, and a live page.

USAGE
  deno run --allow-net=127.0.0.1 http.ts [--broadcast ADDRESS] [--receive ADDRESS] [options]

OPTIONS
  --broadcast ADDRESS  where the broker sends, host:port, or only the port on this machine
  --receive ADDRESS    where the broker takes messages, likewise. With one of the two, the gateway can only do
                       that; without both it takes BUS_BROADCAST and BUS_RECEIVE where it may read them
                       (--allow-env=BUS_BROADCAST,BUS_RECEIVE), else ${DEFAULT_PORTS.broadcast} and ${DEFAULT_PORTS.receive}
  -p, --port N         port to listen at, 0 for any free one; 8000 by default
  --hostname NAME      address to listen at; 127.0.0.1 by default. Any that other machines can reach
                       needs a token or --no-token, and an --allow-net of its own
${WEB_HELP}
  --prefix PATH        mount all paths below this one, such as /bus
  --value              answer with messages as JSON values instead of JSON texts
  --max-waiters N      clients that may wait at the same time at most; 2000 by default
  --history N          messages that are held for late clients; 1000 by default
  --heartbeat SECONDS  how often to make sure that the broker is still there; 15 by default, 0 for never
${ARCHIVE_HELP}
${flagLines(CURVE_CLIENT_FLAGS)}
  --json               print one line of JSON with the URLs, for programs
  -h, --help           print this text
  -V, --version        print the version

With keys, the web side has a token unless --no-token is given.

Stop it with Ctrl+C.`;

/** Runs the gateway until it is stopped. */
export function runGateway(): Promise<void> {
  return runProgram({
    name: "http.ts",
    isService: true,
    help: HELP,
    flags: {
      "broadcast": { type: "string", value: "ADDRESS" },
      "receive": { type: "string", value: "ADDRESS" },
      "port": { type: "string", short: "p", value: "N" },
      "hostname": { type: "string", value: "NAME" },
      "prefix": { type: "string", value: "PATH" },
      "value": { type: "boolean" },
      "max-waiters": { type: "string", value: "N" },
      "history": { type: "string", value: "N" },
      "heartbeat": { type: "string", value: "SECONDS" },
      ...ARCHIVE_FLAGS,
      ...WEB_FLAGS,
      ...CURVE_CLIENT_FLAGS,
      "json": { type: "boolean" },
    },
    run,
  });
}

async function run(values: FlagValues, positionals: readonly string[], { signal }: Stop): Promise<void> {
  if (positionals.length > 0) {
    throw new UsageError(`Cannot use argument ${quote(positionals[0]!)}: expected options only`);
  }
  const clientOptions = readClientOptions(values);
  const serverOptions = readServerOptions(values, clientOptions.curve !== undefined);
  const { serverBroadcast: broker } = clientOptions;
  if (broker === undefined && values.archive !== undefined) {
    throw new UsageError(
      "Cannot use --archive: without --broadcast ADDRESS nothing comes that could be recorded",
    );
  }
  await using recording = await openRecording(values, { program: "http.ts", broker }, complain);
  await using client = new PassiveMessageClient({
    name: "http.ts",
    ...clientOptions,
    ...recordedBy(recording),
    lingerMs: 500,
  });
  await using server = serve(client, { ...serverOptions, archive: recording?.archive });
  announce(server, client, values.json === true);
  startStamps();
  // A broker that refuses us, or a sandbox that does, will do so again: that ends the program. One that is away may come.
  const refused = client.ready.then(() => new Promise<never>(() => {}));
  tellAll(client);
  await Promise.race([aborted(signal), refused]).catch((error: unknown) => {
    if (!(error instanceof ClosedError)) throw withHint(error);
  });
  await server.close({ lingerMs: 3000 });
}

/** It goes on where the recording ends. */
function recordedBy(recording: Recording | undefined): Partial<PassiveMessageClientOptions> {
  if (recording === undefined) return {};
  const { recorder } = recording;
  return { recorder, since: recorder.place ?? "earliest" };
}

/** What goes wrong between the broker and the gateway. */
function tellAll(client: PassiveMessageClient): void {
  const troubles = new Troubles(complain);
  let hasTrouble = false;
  tellTrouble(client, (line) => {
    hasTrouble = true;
    complain(line);
  });
  client.addEventListener("connect", ({ address }) => {
    if (hasTrouble) complain(`Connected to ${address}`);
  });
  client.addEventListener(
    "gap",
    ({ missed, reason }) => troubles.add(`gaps (${reason})`, "", () => gapText(missed, reason)),
  );
  client.addEventListener(
    "messageerror",
    ({ error }) =>
      troubles.add(`refused (${error.code})`, "", () => `refused (${error.code}): ${error.message}`),
  );
  setInterval(() => troubles.summarize(), SUMMARY_MS);
}

function serve(client: PassiveMessageClient, options: ServeGatewayOptions): GatewayServer {
  try {
    return listenOr("port", () => serveGateway(client, options));
  } catch (error) {
    if (!(error instanceof OptionError) || error.code !== "anonymous-not-allowed") throw error;
    throw new UsageError(
      `Cannot use --hostname ${options.hostname}: other machines could reach it; add --token auto, or --no-token if everyone may`,
    );
  }
}

function readClientOptions(values: FlagValues): PassiveMessageClientOptions {
  // Whoever names one of them only means a gateway that listens only, or sends only.
  const isNamed = values.broadcast !== undefined || values.receive !== undefined;
  const serverBroadcast = isNamed ? addressFlag(values, "broadcast") : needAddress(values, "broadcast");
  const serverReceive = isNamed ? addressFlag(values, "receive") : needAddress(values, "receive");
  const curve = curveClientOptions(values);
  return {
    ...(curve === undefined ? {} : { curve }),
    heartbeatMs: 1000 * (integerFlag(values, "heartbeat", 0, 86_400) ?? 15),
    ...(serverBroadcast === undefined ? {} : { serverBroadcast }),
    ...(serverReceive === undefined ? {} : { serverReceive }),
    // What the broker holds from before we came: a place that a client has from elsewhere stays good here.
    since: "earliest",
    history: { messages: integerFlag(values, "history", 1, 1_000_000) ?? 1000 },
  };
}

function readServerOptions(values: FlagValues, hasKeys: boolean): ServeGatewayOptions {
  const maxWaiters = integerFlag(values, "max-waiters", 0, 1_000_000);
  return {
    ...webOptions(values, hasKeys),
    port: integerFlag(values, "port", 0, 65_535) ?? 8000,
    allowAnonymous: values["no-token"] === true,
    messageAs: values.value === true ? "value" : "text",
    ...(typeof values.hostname === "string" ? { hostname: values.hostname } : {}),
    ...(typeof values.prefix === "string" ? { prefix: values.prefix } : {}),
    ...(maxWaiters === undefined ? {} : { maxWaiters }),
  };
}

function announce(server: GatewayServer, client: PassiveMessageClient, asJson: boolean): void {
  const { url, pageUrl, token = null } = server;
  const { serverBroadcast = null, serverReceive = null } = client;
  if (asJson) {
    return print(JSON.stringify({
      http: url,
      page: pageUrl,
      token,
      broadcastAddress: serverBroadcast,
      receiveAddress: serverReceive,
    }));
  }
  printText(`The gateway is running. Stop it with Ctrl+C.

  live page       ${pageUrl}
  messages        ${url}/messages
  description     ${url}/openapi.json
  listens at      ${serverBroadcast ?? "nothing: no --broadcast was given"}
  sends to        ${serverReceive ?? "nothing: no --receive was given"}${
    token === null ? "" : `
  token           ${token}`
  }`);
}
