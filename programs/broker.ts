/**
 * The broker as a program; `broker.ts` loads it when it is run.
 *
 * @module
 */
import { MessageServer } from "../broker.ts";
import type { MessageServerOptions } from "../broker.ts";
import { VERSION } from "../version.ts";
import {
  aborted,
  complain,
  type FlagValues,
  integerFlag,
  print,
  runProgram,
  untilSignal,
  UsageError,
} from "./command_line.ts";

const HELP =
  `The broker of the message bus: passes each message that is sent to it on to everyone who listens.

USAGE
  deno run --allow-net=127.0.0.1 broker.ts [options]

OPTIONS
  --broadcast-port N   port of the address to listen at; 0, the default, takes any free one
  --receive-port N     port of the address to send to; 0, the default, takes any free one
  --http PORT          serve web pages and scripts too, with a live page to look at; 0 takes any free port
  --public             be reachable from other machines; needs --allow-anonymous, and
                       deno run --allow-net=0.0.0.0
  --allow-anonymous    with --public: let everyone join who can reach the addresses
  --json               print one line of JSON with the addresses, for programs
  -v, --verbose        tell on stderr what comes in and what is refused
  -h, --help           print this text
  -V, --version        print the version

Stop it with Ctrl+C.`;

/** Runs the broker until SIGINT or SIGTERM. */
export function runBroker(): Promise<void> {
  return runProgram({
    name: "broker.ts",
    help: HELP,
    flags: {
      "broadcast-port": { type: "string" },
      "receive-port": { type: "string" },
      http: { type: "string" },
      public: { type: "boolean" },
      "allow-anonymous": { type: "boolean" },
      json: { type: "boolean" },
      verbose: { type: "boolean", short: "v" },
    },
    run,
  });
}

async function run(values: FlagValues, positionals: readonly string[]): Promise<void> {
  if (positionals.length > 0) {
    throw new UsageError(`Cannot use argument ${JSON.stringify(positionals[0])}: expected options only`);
  }
  const options: MessageServerOptions = {
    localOnly: values.public !== true,
    allowAnonymous: values["allow-anonymous"] === true,
    broadcastPort: integerFlag(values, "broadcast-port", 0, 65_535) ?? 0,
    receivePort: integerFlag(values, "receive-port", 0, 65_535) ?? 0,
  };
  if (options.localOnly === false && options.allowAnonymous === false) {
    throw new UsageError(
      "Cannot use --public: everyone who can reach this machine could join; add --allow-anonymous if that is meant",
    );
  }
  const httpPort = integerFlag(values, "http", 0, 65_535);
  const interrupt = untilSignal();
  try {
    await using server = new MessageServer(options);
    await using web = httpPort === undefined ? undefined : await serveWeb(server, httpPort);
    announce(server, web, values.json === true);
    if (values.verbose === true) tell(server);
    await aborted(interrupt.signal);
  } finally {
    interrupt.stop();
  }
}

/** The gateway is a client like any other; it only lives in the same process. */
async function serveWeb({ broadcastAddress, receiveAddress }: MessageServer, port: number): Promise<Web> {
  const [{ serveGateway }, { PassiveMessageClient }] = await Promise.all([
    import("../http.ts"),
    import("../client.ts"),
  ]);
  const here = (address: string) => address.replace("//0.0.0.0:", "//127.0.0.1:");
  const client = new PassiveMessageClient({
    serverBroadcast: here(broadcastAddress),
    serverReceive: here(receiveAddress),
  });
  try {
    const gateway = serveGateway(client, { port, log: complain });
    await client.ready; // Whoever reads the page's address may send at once.
    return {
      url: gateway.url,
      pageUrl: gateway.pageUrl,
      async [Symbol.asyncDispose]() {
        await gateway.close();
        await client.close();
      },
    };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The gateway with its client. */
interface Web extends AsyncDisposable {
  readonly url: string;
  readonly pageUrl: string;
}

function announce(
  { broadcastAddress, receiveAddress }: MessageServer,
  web: Web | undefined,
  json: boolean,
): void {
  if (json) return print(JSON.stringify({ broadcastAddress, receiveAddress, http: web?.url ?? null }));
  const page = web === undefined ? "" : `\n  live page for your browser       ${web.pageUrl}`;
  print(`The broker is running (version ${VERSION}). Stop it with Ctrl+C.

  broadcast address (listen here)  ${broadcastAddress}
  receive address (send here)      ${receiveAddress}${page}

Try it in two other terminals:

  deno run --allow-net=127.0.0.1 client.ts listen --broadcast ${broadcastAddress}
  deno run --allow-net=127.0.0.1 client.ts send --receive ${receiveAddress} '{"type":"subject","subject":119}'`);
}

function tell(server: MessageServer): void {
  server.addEventListener("message", ({ text }) => complain(`message ${text}`));
  server.addEventListener(
    "messageerror",
    ({ error }) => complain(`refused (${error.code}): ${error.message}`),
  );
}
