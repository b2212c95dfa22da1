/**
 * The broker as a program; `broker.ts` loads it when it is run.
 *
 * @module
 */
import { MessageServer } from "../bus/server.ts";
import { TransportError } from "../base/errors.ts";
import type { MessageServerOptions } from "../bus/server.ts";
import type { ServeGatewayOptions } from "../http/server.ts";
import { allowKeys, curveKeyPair } from "../zmtp/mod.ts";
import { readMembers, readServerKeys } from "./key_file.ts";
import { quote } from "../base/quote.ts";
import { VERSION } from "../base/version.ts";
import { ARCHIVE_FLAGS, ARCHIVE_HELP, openRecording, type Recording } from "./archive_flag.ts";
import { BACKBONE_FLAGS, BACKBONE_HELP, backboneJson, readBackbone } from "./backbone_flags.ts";
import { tellTroubles } from "./broker_notes.ts";
import { machineAddresses, UNKNOWN_ADDRESS } from "./machine.ts";
import { openCommand, openPage } from "./open_page.ts";
import { DEFAULT_PORTS } from "./ports.ts";
import { isInUse, listenOr, portInUse } from "./port_in_use.ts";
import { printedCommand } from "./printed_command.ts";
import { WEB_FLAGS, WEB_HELP, webOptions } from "./web_flags.ts";
import { type FlagValues, UsageError } from "./arguments.ts";
import { integerFlag, ProgramError, runProgram } from "./command_line.ts";
import { complain, print, printed, printText, startStamps } from "./log.ts";
import { aborted, type Stop } from "./stop.ts";

const HELP =
  `The broker of the message bus: passes each message that is sent to it on to everyone who listens.

USAGE
  deno run --allow-net=127.0.0.1 broker.ts [options]

OPTIONS
  --broadcast-port N   port of the address to listen at; ${DEFAULT_PORTS.broadcast} by default, or any free one where that is
                       in use; 0 takes any free one
  --receive-port N     port of the address to send to; ${DEFAULT_PORTS.receive} by default, likewise
  --history N          messages that are held for whoever comes late or was away; 100000 by default
  --slowest-reader N   messages a second that a listener must take for the senders to wait for it when it
                       falls behind; 10000 by default, 0 for waiting for nobody
  --heartbeat SECONDS  how often to make sure that clients are still there; 0, the default, for never:
                       libzmq older than 4.2 does not understand it
${ARCHIVE_HELP}
  --json               print one line of JSON with the addresses, for programs
  -v, --verbose        tell on stderr all that comes in, is refused or goes wrong; without it the first of each
                       kind and, once a minute, how many there were
  -h, --help           print this text
  -V, --version        print the version

FOR THE WEB
  --http PORT          serve web pages and scripts too, with a live page to look at; 0 takes any free port
  --open               open the live page in your browser, with --allow-run=${openCommand()}; without it, its
                       address is printed only
${WEB_HELP}

KEYS, AND OTHER MACHINES
  --public             be reachable from other machines: deno run --allow-net, and either
                       --curve-secret-file with --allow-keys, or --allow-anonymous
  --allow-anonymous    with --public: let everyone join who can reach the addresses
  --curve-secret-file F  encrypt everything; F holds the broker's secret key. The web then has a token,
                       unless --no-token is given
  --allow-keys F       with --curve-secret-file: only who has one of these public keys may join; F has one on
                       each line, or is a certificate of pyzmq or czmq; may be repeated
  --curve-keygen DIR   write the broker's keys into a folder, and a pair for each --member NAME, and end;
                       without DIR print a fresh pair
  --member NAME        with --curve-keygen DIR: make keys for somebody who may join; may be repeated
  --transport libzmq   let libzmq carry the messages: deno run --allow-ffi --allow-read, which leaves
                       the sandbox; see docs/libzmq.md

MANY MACHINES
${BACKBONE_HELP}

Stop it with Ctrl+C.`;

/** Runs the broker until it is stopped. */
export function runBroker(): Promise<void> {
  return runProgram({
    name: "broker.ts",
    isService: true,
    help: HELP,
    flags: {
      "broadcast-port": { type: "string", value: "N" },
      "receive-port": { type: "string", value: "N" },
      http: { type: "string", value: "PORT" },
      open: { type: "boolean" },
      public: { type: "boolean" },
      "allow-anonymous": { type: "boolean" },
      "allow-keys": { type: "string", multiple: true, value: "F" },
      "curve-secret-file": { type: "string", value: "F" },
      "curve-keygen": { type: "boolean" },
      member: { type: "string", multiple: true, value: "NAME" },
      history: { type: "string", value: "N" },
      heartbeat: { type: "string", value: "SECONDS" },
      "slowest-reader": { type: "string", value: "N" },
      ...ARCHIVE_FLAGS,
      ...WEB_FLAGS,
      ...BACKBONE_FLAGS,
      transport: { type: "string", value: "libzmq" },
      json: { type: "boolean" },
      verbose: { type: "boolean", short: "v" },
    },
    run,
  });
}

async function run(values: FlagValues, positionals: readonly string[], { signal }: Stop): Promise<void> {
  const isKeygen = values["curve-keygen"] === true;
  if (positionals.length > (isKeygen ? 1 : 0)) {
    throw new UsageError(`Cannot use argument ${quote(positionals.at(-1)!)}: expected options only`);
  }
  if (isKeygen) {
    return await makeKeys(positionals[0], (values.member ?? []) as string[], values.json === true);
  }
  if (values.member !== undefined) {
    throw new UsageError("Cannot use --member: it goes with --curve-keygen DIR");
  }
  const access = readAccess(values);
  const history = integerFlag(values, "history", 0, 100_000_000);
  const slowestReader = integerFlag(values, "slowest-reader", 0, 100_000_000);
  const joined = await readBackbone(values);
  const options: MessageServerOptions = {
    ...access.server,
    ...(joined && { backbone: joined.backbone }),
    ...await readTransport(values),
    heartbeatMs: 1000 * (integerFlag(values, "heartbeat", 0, 86_400) ?? 0),
    ...(history === undefined ? {} : { history: { messages: history } }),
    ...(slowestReader === undefined ? {} : { slowestReader }),
  };
  const webServerOptions = readWeb(values, access.server.curve !== undefined);
  const past = history === undefined ? {} : { past: { messages: history, bytes: 16 * 1024 * 1024 } };
  await using recording = await openRecording(values, { program: "broker.ts", ...past }, complain);
  await using server = listen(values, { ...options, ...recordedBy(recording) });
  await using web = webServerOptions &&
    await serveWeb(server, { ...webServerOptions, archive: recording?.archive });
  announce(server, web, access, values, recording);
  if (values.open === true && web !== undefined) openPage(web.pageUrl);
  startStamps();
  tellTroubles(server, complain, values.verbose === true, printed());
  await Promise.race([aborted(signal), ...(joined === undefined ? [] : [joined.failed])]);
}

function recordedBy(recording: Recording | undefined): Pick<MessageServerOptions, "recorder"> {
  return recording === undefined ? {} : { recorder: recording.recorder };
}

/** A port that nobody asked for is given up where it is in use: the addresses are printed anyway. */
function listen(values: FlagValues, options: MessageServerOptions): MessageServer {
  const ports = {
    broadcastPort: integerFlag(values, "broadcast-port", 0, 65_535),
    receivePort: integerFlag(values, "receive-port", 0, 65_535),
  };
  const open = (broadcast: number, receive: number) =>
    new MessageServer({
      ...options,
      broadcastPort: ports.broadcastPort ?? broadcast,
      receivePort: ports.receivePort ?? receive,
    });
  try {
    return open(DEFAULT_PORTS.broadcast, DEFAULT_PORTS.receive);
  } catch (error) {
    if (!isInUse(error)) throw error;
  }
  try {
    return open(0, 0);
  } catch (error) {
    if (!isInUse(error)) throw error;
    const flag = error.message.includes(`:${ports.broadcastPort}: `) ? "broadcast-port" : "receive-port";
    throw portInUse(error, flag);
  }
}

function readWeb(values: FlagValues, hasKeys: boolean): ServeGatewayOptions | undefined {
  const port = integerFlag(values, "http", 0, 65_535);
  if (port !== undefined) return { ...webOptions(values, hasKeys), port };
  const flag = [...Object.keys(WEB_FLAGS), "open"].find((name) => values[name] !== undefined);
  if (flag === undefined) return undefined;
  throw new UsageError(`Cannot use --${flag}: there is no web side without --http PORT`);
}

/** Who may join, and with which key a person can try. */
interface Access {
  readonly server: Pick<MessageServerOptions, "localOnly" | "allowAnonymous" | "curve" | "authorize">;
  /** A client's `--key-file`; undefined where everyone who knows the broker's key may join. */
  readonly keyFile: string | undefined;
}

function readAccess(values: FlagValues): Access {
  const [isPublic, isAnonymous] = [values.public === true, values["allow-anonymous"] === true];
  const secretFile = values["curve-secret-file"];
  const lists = values["allow-keys"] as string[] | undefined;
  if (lists !== undefined && secretFile === undefined) {
    throw new UsageError("Cannot use --allow-keys: without --curve-secret-file nobody can show a key");
  }
  if (isPublic && lists === undefined && !isAnonymous) {
    throw new UsageError(
      "Cannot use --public: everyone who can reach this machine could join; " +
        "add --curve-secret-file and --allow-keys, or --allow-anonymous if that is meant",
    );
  }
  const common = { localOnly: !isPublic, allowAnonymous: isAnonymous };
  if (typeof secretFile !== "string") return { server: common, keyFile: undefined };
  const curve = readServerKeys("curve-secret-file", secretFile);
  if (lists === undefined) return { server: { ...common, curve }, keyFile: undefined };
  const read = lists.map((file) => ({ file, ...readMembers("allow-keys", file) }));
  const keys = read.flatMap(({ members }) =>
    members.map(({ name, publicKey }) => name === undefined ? publicKey : [name, publicKey] as const)
  );
  // The key files that --curve-keygen makes lie beside the list.
  const made = read.find(({ isOurs, members }) => isOurs && members[0]?.name !== undefined);
  const keyFile = made?.file.replace(/[^\\/]*$/, `${made.members[0]!.name}.key`);
  return {
    server: { ...common, curve, authorize: allowKeys(keys) },
    keyFile: keyFile ?? "FILE",
  };
}

async function readTransport({ transport }: FlagValues): Promise<Pick<MessageServerOptions, "transport">> {
  if (transport === undefined || transport === "zmtp") return {};
  if (transport !== "libzmq") {
    throw new UsageError(`Cannot use --transport ${quote(String(transport))}: expected zmtp or libzmq`);
  }
  // Not a literal: nobody else shall load it, or the package that it needs.
  const specifier = new URL("../zmtp/libzmq/mod.ts", import.meta.url).href;
  try {
    const { libzmq } = await import(specifier);
    return { transport: libzmq };
  } catch (cause) {
    if (cause instanceof TransportError) throw cause;
    throw new ProgramError("Cannot use --transport libzmq: run with --allow-ffi --allow-read", { cause });
  }
}

async function makeKeys(
  folder: string | undefined,
  members: readonly string[],
  json: boolean,
): Promise<void> {
  if (folder !== undefined) return await makeFolder(folder, members, json);
  if (members.length > 0) {
    throw new UsageError("Cannot use --member: --curve-keygen has no folder to write to");
  }
  const keys = await curveKeyPair();
  if (json) return print(JSON.stringify(keys));
  printText(`public key, for everyone to know:  ${keys.publicKey}
secret key, for nobody else:       ${keys.secretKey}

Put the secret key into a file that only you can read.`);
}

async function makeFolder(folder: string, names: readonly string[], json: boolean): Promise<void> {
  const { makeKeyFolder } = await import("./key_folder.ts");
  const made = await makeKeyFolder(folder, names);
  if (json) return print(JSON.stringify(made));
  const members = made.memberKeys.map((file) => `\n  ${file}  for this member alone: all that it needs`).join(
    "",
  );
  const start = printedCommand(
    "broker.ts",
    ["--curve-secret-file", made.brokerKey, "--allow-keys", made.members],
    [made.brokerKey, made.members],
  );
  printText(`The keys are in
  ${made.brokerKey}  for nobody else
  ${made.brokerPub}  for everyone to know
  ${made.members}  who may join${members}

Start the broker with them; it says how to join:

  ${start}`);
}

/** The gateway reads the broker's own feed: it needs no socket and no keys, and nothing can be lost on the way. */
async function serveWeb(server: MessageServer, options: ServeGatewayOptions): Promise<Web> {
  const { serveGateway } = await import("../http/server.ts");
  const gateway = listenOr("http", () => serveGateway(server, options));
  await server.ready; // Whoever reads the page's address may send at once.
  return {
    url: gateway.url,
    pageUrl: gateway.pageUrl,
    token: gateway.token,
    [Symbol.asyncDispose]: async () => void await gateway.close({ lingerMs: 3000 }),
  };
}

/** An address as this machine itself dials it. */
function here(address: string): string {
  return address.replace(EVERYWHERE, "//127.0.0.1:");
}

const EVERYWHERE = "//0.0.0.0:";

/** The gateway. */
interface Web extends AsyncDisposable {
  readonly url: string;
  readonly pageUrl: string;
  readonly token: string | undefined;
}

function announce(
  server: MessageServer,
  web: Web | undefined,
  { keyFile }: Access,
  values: FlagValues,
  recording: Recording | undefined,
): void {
  const { broadcastAddress, receiveAddress, publicKey } = server;
  if (values.json === true) {
    const key = publicKey === undefined ? {} : { publicKey };
    const token = web?.token === undefined ? {} : { token: web.token };
    const archive = recording === undefined
      ? {}
      : { archive: recording.archive.path, session: recording.recorder.session };
    const backbone = backboneJson(server.stats().backbone);
    return print(
      JSON.stringify({
        broadcastAddress,
        receiveAddress,
        http: web?.url ?? null,
        ...token,
        ...key,
        ...archive,
        ...backbone,
      }),
    );
  }
  const lines = [
    ["broadcast address (listen here)", broadcastAddress],
    ["receive address (send here)", receiveAddress],
    ["live page for your browser", web?.pageUrl],
    ["token (scripts need it)", web?.token],
    ["public key (clients need it)", publicKey],
    ["recorded sessions", recording && web && web.pageUrl.replace("/monitor", "/monitor/sessions")],
    ["recording into", recording && `${recording.archive.path} (session ${recording.recorder.session})`],
  ].filter(([, value]) => value !== undefined).map(([name, value]) => `  ${name!.padEnd(31)}  ${value}`);
  const keys = [
    ...(publicKey === undefined ? [] : [`--server-key=${publicKey}`]),
    ...(keyFile === undefined ? [] : ["--key-file", keyFile]),
  ];
  const read = keyFile === undefined ? [] : [keyFile];
  const listen = ["listen", "--broadcast", here(broadcastAddress), ...keys];
  const send = ["send", "--receive", here(receiveAddress), ...keys, '{"type":"subject","subject":119}'];
  const where = keyFile === "FILE" ? ", with the key file of a member in the place of FILE" : "";
  printText(`The broker is running (version ${VERSION}). Stop it with Ctrl+C.

${lines.join("\n")}${otherPorts(server, values)}${otherMachines(server)}

Try it in two other terminals${where}:

  ${printedCommand("client.ts", listen, read)}
  ${printedCommand("client.ts", send, read)}`);
}

/** Says that the ports are not those where clients look by themselves, though nobody asked for others. */
function otherPorts({ broadcastAddress, receiveAddress }: MessageServer, values: FlagValues): string {
  const taken = ([["broadcast", broadcastAddress], ["receive", receiveAddress]] as const).filter((
    [name, address],
  ) => values[`${name}-port`] === undefined && !address.endsWith(`:${DEFAULT_PORTS[name]}`));
  if (taken.length === 0) return "";
  const ports = taken.map(([name]) => DEFAULT_PORTS[name]).join(" and ");
  return `\n\nSomething else uses ${ports} (another broker?), so any free port was taken.`;
}

/** Where other machines find a broker that is reachable from there. */
function otherMachines({ broadcastAddress, receiveAddress }: MessageServer): string {
  if (broadcastAddress === here(broadcastAddress)) return "";
  const found = machineAddresses();
  const lines = (found ?? [UNKNOWN_ADDRESS]).flatMap((host) =>
    [broadcastAddress, receiveAddress].map((address, i) =>
      `  ${i === 0 ? "listen" : "send  "}  ${address.replace(EVERYWHERE, `//${host}:`)}`
    )
  );
  const hint = found === undefined
    ? `\n\nPut the name or the address of this machine there; with --allow-sys=networkInterfaces it is printed.`
    : "";
  return `\n\nFrom other machines:\n\n${lines.join("\n")}${hint}`;
}
