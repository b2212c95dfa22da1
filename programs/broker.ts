/**
 * The broker as a program; `broker.ts` loads it when it is run.
 *
 * @module
 */
import { MessageServer } from "../bus/server.ts";
import { TransportError } from "../base/errors.ts";
import type { MessageServerOptions } from "../bus/server.ts";
import type { CurveClientOptions } from "../zmtp/mod.ts";
import { allowKeys, curveKeyPair, formatPublicKey } from "../zmtp/mod.ts";
import { readKeyFile, readKeyList } from "./key_file.ts";
import { VERSION } from "../base/version.ts";
import { type FlagValues, integerFlag, ProgramError, runProgram, UsageError } from "./command_line.ts";
import { complain, print, printText, startStamps } from "./log.ts";
import { aborted, type Stop } from "./stop.ts";

const HELP =
  `The broker of the message bus: passes each message that is sent to it on to everyone who listens.

USAGE
  deno run --allow-net=127.0.0.1 broker.ts [options]

OPTIONS
  --broadcast-port N   port of the address to listen at; 0, the default, takes any free one
  --receive-port N     port of the address to send to; 0, the default, takes any free one
  --http PORT          serve web pages and scripts too, with a live page to look at; 0 takes any free port
  --public             be reachable from other machines: deno run --allow-net, and either
                       --curve-secret-file with --allow-keys, or --allow-anonymous
  --curve-secret-file F  encrypt everything; F holds the broker's secret key
  --allow-keys F       with --curve-secret-file: only who has one of these public keys, one on each line, may join
  --allow-anonymous    with --public: let everyone join who can reach the addresses
  --curve-keygen       print a fresh pair of keys and end
  --transport libzmq   let libzmq carry the messages: deno run --allow-ffi --allow-read, which leaves
                       the sandbox; see docs/libzmq.md
  --json               print one line of JSON with the addresses, for programs
  -v, --verbose        tell on stderr what comes in and what is refused
  -h, --help           print this text
  -V, --version        print the version

Stop it with Ctrl+C.`;

/** Runs the broker until it is stopped. */
export function runBroker(): Promise<void> {
  return runProgram({
    name: "broker.ts",
    isService: true,
    help: HELP,
    flags: {
      "broadcast-port": { type: "string" },
      "receive-port": { type: "string" },
      http: { type: "string" },
      public: { type: "boolean" },
      "allow-anonymous": { type: "boolean" },
      "allow-keys": { type: "string" },
      "curve-secret-file": { type: "string" },
      "curve-keygen": { type: "boolean" },
      transport: { type: "string" },
      json: { type: "boolean" },
      verbose: { type: "boolean", short: "v" },
    },
    run,
  });
}

async function run(values: FlagValues, positionals: readonly string[], { signal }: Stop): Promise<void> {
  if (positionals.length > 0) {
    throw new UsageError(`Cannot use argument ${JSON.stringify(positionals[0])}: expected options only`);
  }
  if (values["curve-keygen"] === true) return await printKeys(values.json === true);
  const access = await readAccess(values);
  const options: MessageServerOptions = {
    ...access.server,
    ...await readTransport(values),
    broadcastPort: integerFlag(values, "broadcast-port", 0, 65_535) ?? 0,
    receivePort: integerFlag(values, "receive-port", 0, 65_535) ?? 0,
  };
  const httpPort = integerFlag(values, "http", 0, 65_535);
  await using server = new MessageServer(options);
  await using web = httpPort === undefined ? undefined : await serveWeb(server, httpPort);
  announce(server, web, values.json === true);
  startStamps();
  if (values.verbose === true) tell(server);
  await aborted(signal);
}

/** Who may join, and with which keys the gateway in our own process does. */
interface Access {
  readonly server: Pick<MessageServerOptions, "localOnly" | "allowAnonymous" | "curve" | "authorize">;
  readonly web: CurveClientOptions | undefined;
}

async function readAccess(values: FlagValues): Promise<Access> {
  const [isPublic, isAnonymous] = [values.public === true, values["allow-anonymous"] === true];
  const [secretFile, keysFile] = [values["curve-secret-file"], values["allow-keys"]];
  if (keysFile !== undefined && secretFile === undefined) {
    throw new UsageError("Cannot use --allow-keys: without --curve-secret-file nobody can show a key");
  }
  if (isPublic && keysFile === undefined && !isAnonymous) {
    throw new UsageError(
      "Cannot use --public: everyone who can reach this machine could join; " +
        "add --curve-secret-file and --allow-keys, or --allow-anonymous if that is meant",
    );
  }
  const common = { localOnly: !isPublic, allowAnonymous: isAnonymous };
  if (typeof secretFile !== "string") return { server: common, web: undefined };
  const curve = { secretKey: readKeyFile("curve-secret-file", secretFile) };
  const ours = await curveKeyPair();
  const web = { serverKey: formatPublicKey(curve), ...ours };
  if (typeof keysFile !== "string") return { server: { ...common, curve }, web };
  const authorize = allowKeys([...readKeyList("allow-keys", keysFile), ours.publicKey]);
  return { server: { ...common, curve, authorize }, web };
}

async function readTransport({ transport }: FlagValues): Promise<Pick<MessageServerOptions, "transport">> {
  if (transport === undefined || transport === "zmtp") return {};
  if (transport !== "libzmq") {
    throw new UsageError(`Cannot use --transport ${JSON.stringify(transport)}: expected zmtp or libzmq`);
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

async function printKeys(json: boolean): Promise<void> {
  const keys = await curveKeyPair();
  if (json) return print(JSON.stringify(keys));
  printText(`public key, for everyone to know:  ${keys.publicKey}
secret key, for nobody else:       ${keys.secretKey}

Put the secret key into a file that only you can read.`);
}

/** The gateway reads the broker's own feed: it needs no socket and no keys, and nothing can be lost on the way. */
async function serveWeb(server: MessageServer, port: number): Promise<Web> {
  const { serveGateway } = await import("../http/server.ts");
  const gateway = serveGateway(server, { port, log: complain });
  await server.ready; // Whoever reads the page's address may send at once.
  return {
    url: gateway.url,
    pageUrl: gateway.pageUrl,
    [Symbol.asyncDispose]: async () => void await gateway.close({ lingerMs: 3000 }),
  };
}

/** An address as this machine itself dials it. */
function here(address: string): string {
  return address.replace("//0.0.0.0:", "//127.0.0.1:");
}

/** The gateway with its client. */
interface Web extends AsyncDisposable {
  readonly url: string;
  readonly pageUrl: string;
}

function announce(server: MessageServer, web: Web | undefined, json: boolean): void {
  const { broadcastAddress, receiveAddress, publicKey } = server;
  if (json) {
    const key = publicKey === undefined ? {} : { publicKey };
    return print(JSON.stringify({ broadcastAddress, receiveAddress, http: web?.url ?? null, ...key }));
  }
  const page = web === undefined ? "" : `\n  live page for your browser       ${web.pageUrl}`;
  const key = publicKey === undefined ? "" : `\n  public key (clients need it)     ${publicKey}`;
  // Whoever started us by npx has no command deno.
  const deno = /[\\/]node_modules[\\/]/.test(Deno.execPath()) ? `npx -y deno@${Deno.version.deno}` : "deno";
  const keyFlag = publicKey === undefined ? "" : ` --server-key='${publicKey}'`;
  printText(`The broker is running (version ${VERSION}). Stop it with Ctrl+C.

  broadcast address (listen here)  ${broadcastAddress}
  receive address (send here)      ${receiveAddress}${page}${key}

Try it in two other terminals:

  ${deno} run --allow-net=127.0.0.1 client.ts listen --broadcast ${here(broadcastAddress)}${keyFlag}
  ${deno} run --allow-net=127.0.0.1 client.ts send --receive ${
    here(receiveAddress)
  }${keyFlag} '{"type":"subject","subject":119}'`);
}

function tell(server: MessageServer): void {
  server.addEventListener("message", ({ text }) => complain(`message ${text}`));
  server.addEventListener(
    "messageerror",
    ({ error }) => complain(`refused (${error.code}): ${error.message}`),
  );
}
