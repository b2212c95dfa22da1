/**
 * The flags that join a broker with brokers on other machines. What is behind them is loaded when one is given.
 *
 * @module
 */
import type { BackboneStatus } from "../bus/backbone.ts";
import { type FlagValues, UsageError } from "./arguments.ts";
import type { ProgramBackbone } from "./broker_backbone.ts";

/** See the module. */
export const BACKBONE_FLAGS = {
  "backbone": { type: "string", multiple: true },
  "bus": { type: "string" },
  "site": { type: "string" },
  "backbone-order": { type: "string" },
  "backbone-replay": { type: "string" },
  "backbone-hold": { type: "string" },
  "backbone-replicas": { type: "string" },
  "backbone-domain": { type: "string" },
  "backbone-creds": { type: "string" },
  "backbone-nkey": { type: "string" },
  "backbone-token-file": { type: "string" },
  "backbone-user-file": { type: "string" },
  "backbone-ca": { type: "string" },
  "backbone-allow-plain": { type: "boolean" },
} as const;

/** What `--help` says of them. */
export const BACKBONE_HELP =
  `  --backbone URL       join brokers on other machines over NATS: nats://host:4222 or tls://host:4222, several
                       with commas; the client library comes from npm; see docs/many-machines.md
  --bus NAME           with --backbone: which bus to join; default by default
  --site NAME          what this broker is called where others list whom they hear
  --backbone-order local  local people never wait, and sites may differ in the order of different senders;
                       stream by default: one order for all, through JetStream
  --backbone-hold SECONDS  with the order stream: how long local messages wait when the others are away;
                       10 by default, then the site is an island
  --backbone-replay last  with the order stream: begin with the last message of each type
  --backbone-replicas N  with the order stream: copies of the stream, when it has to be made
  --backbone-domain D  with the order stream: the JetStream domain, where the server is a leaf node
  --backbone-creds F   who we are, in one of: a .creds file, the seed of an nkey, a token, or a user and a
  --backbone-nkey F    password with a colon in between
  --backbone-token-file F
  --backbone-user-file F
  --backbone-ca F      the certificate authority of the servers, for tls://
  --backbone-allow-plain  let servers on other machines be reached without TLS`;

/** What the flags give; undefined when none was given. */
export async function readBackbone(values: FlagValues): Promise<ProgramBackbone | undefined> {
  if (values.backbone === undefined) {
    const flag = Object.keys(BACKBONE_FLAGS).find((name) => values[name] !== undefined);
    if (flag === undefined) return undefined;
    throw new UsageError(`Cannot use --${flag}: it goes with --backbone nats://host:4222`);
  }
  const { makeBackbone } = await import("./broker_backbone.ts");
  return makeBackbone(values);
}

/** What `--json` tells of it. */
export function backboneJson(
  status: BackboneStatus | undefined,
): { readonly backbone?: Pick<BackboneStatus, "bus" | "order" | "site" | "instance" | "state"> } {
  if (status === undefined) return {};
  const { bus, order, site, instance, state } = status;
  return { backbone: { bus, order, site, instance, state } };
}
