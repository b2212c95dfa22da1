/**
 * The backbone of the broker as a program: made of its flags, and told of on stderr. Loaded when `--backbone` is given.
 *
 * @module
 */
import { OptionError } from "../base/errors.ts";
import { type NatsAuth, NatsBackbone, type NatsBackboneOptions } from "../backbone/mod.ts";
import { type FlagValues, UsageError } from "./arguments.ts";
import { integerFlag, ProgramError } from "./command_line.ts";
import { explainFile, readToken } from "./key_file.ts";
import { complain } from "./log.ts";

/** A backbone of the program. */
export interface ProgramBackbone {
  readonly backbone: NatsBackbone;
  /** Rejects when it can never join: what was asked for is not to be had. */
  readonly failed: Promise<never>;
}

/** See the module. */
export function makeBackbone(values: FlagValues): ProgramBackbone {
  const servers = (values.backbone as string[]).flatMap((list) => list.split(","));
  const holdMs = integerFlag(values, "backbone-hold", 0, 2_000_000);
  const replicas = integerFlag(values, "backbone-replicas", 1, 5);
  const ca = values["backbone-ca"] as string | undefined;
  let backbone: NatsBackbone;
  try {
    backbone = new NatsBackbone({
      servers,
      ...given("bus", values.bus),
      ...given("site", values.site),
      ...given("order", values["backbone-order"]),
      ...given("replay", values["backbone-replay"]),
      ...given("domain", values["backbone-domain"]),
      ...(holdMs === undefined ? {} : { holdMs: 1000 * holdMs }),
      ...(replicas === undefined ? {} : { replicas }),
      ...(ca === undefined ? {} : { tls: { ca: readCa(ca) } }),
      allowPlain: values["backbone-allow-plain"] === true,
      auth: () => readAuth(values),
    });
  } catch (error) {
    // Matched by its code: it may come from another copy of the module.
    if (error instanceof OptionError) throw new UsageError(error.message);
    throw error;
  }
  tell(backbone);
  const failed = backbone.ready.then(
    () => new Promise<never>(() => {}),
    (error: Error) => Promise.reject(new ProgramError(error.message, { cause: error })),
  );
  failed.catch(() => {});
  return { backbone, failed };
}

function given<K extends keyof NatsBackboneOptions>(
  name: K,
  value: unknown,
): Partial<Pick<NatsBackboneOptions, K>> {
  return value === undefined ? {} : { [name]: value } as Partial<Pick<NatsBackboneOptions, K>>;
}

function readAuth(values: FlagValues): NatsAuth {
  const flags = ["backbone-creds", "backbone-nkey", "backbone-token-file", "backbone-user-file"] as const;
  const set = flags.filter((flag) => values[flag] !== undefined);
  if (set.length > 1) throw new UsageError(`Cannot use --${set[0]} and --${set[1]} together`);
  const [flag] = set;
  if (flag === undefined) return {};
  const file = values[flag] as string;
  const text = readToken(flag, file);
  switch (flag) {
    case "backbone-creds":
      return { creds: text };
    case "backbone-nkey": {
      // Tools write comments around it.
      const seed = /^SU[A-Z2-7]{56}$/m.exec(text)?.[0];
      if (seed === undefined) {
        throw new ProgramError(
          `Cannot use --${flag} ${file}: it holds no seed of a user, which begins with SU`,
        );
      }
      return { nkey: seed };
    }
    case "backbone-token-file":
      return { token: text };
    case "backbone-user-file": {
      const colon = text.indexOf(":");
      if (colon < 1) throw new ProgramError(`Cannot use --${flag} ${file}: it holds no user:password`);
      return { user: text.slice(0, colon), password: text.slice(colon + 1) };
    }
  }
}

function readCa(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (cause) {
    throw new ProgramError(`Cannot use --backbone-ca ${file}: ${explainFile(cause, "read", file)}`, {
      cause,
    });
  }
}

/** Each problem once; whether the others hear us, each time it changes. */
function tell(backbone: NatsBackbone): void {
  backbone.addEventListener("problem", ({ problem }) => complain(problem.message));
  backbone.addEventListener("joined", () => {
    const { bus, order, server } = backbone.status();
    complain(`joined the bus ${bus} over NATS${server === undefined ? "" : ` (${server})`}, order ${order}`);
  });
  backbone.addEventListener("away", () => {
    if (backbone.holds) complain("the other sites cannot be reached; messages wait for them");
  });
  backbone.addEventListener("island", () => {
    complain("this site is an island: people here hear each other, and nobody else hears them");
  });
}
