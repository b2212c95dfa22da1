/**
 * The flags that commands of `client.ts` share: which broker, and the keys for it.
 *
 * @module
 */
import type { ClientOptions } from "../bus/clients.ts";
import { quote } from "../base/quote.ts";
import { type Flag, type Flags, type FlagValues, UsageError } from "./arguments.ts";
import { addressFlag, addressOf, integerFlag } from "./command_line.ts";
import { DEFAULT_PORTS } from "./ports.ts";
import { CURVE_CLIENT_FLAGS, curveClientOptions } from "./key_file.ts";
import { environment } from "./terminal.ts";

/** Where to listen. */
export const BROADCAST_FLAG: Flag = {
  type: "string",
  value: "ADDRESS",
  help: `the broker's broadcast address, host:port, or only the port on this machine; without it
BUS_BROADCAST where --allow-env=BUS_BROADCAST is given, else ${DEFAULT_PORTS.broadcast}`,
};

/** Where to send. */
export const RECEIVE_FLAG: Flag = {
  type: "string",
  value: "ADDRESS",
  help: `the broker's receive address, host:port, or only the port on this machine; without it
BUS_RECEIVE where --allow-env=BUS_RECEIVE is given, else ${DEFAULT_PORTS.receive}`,
};

/** Whether the broker is still there. */
export const HEARTBEAT_FLAG: Flag = {
  type: "string",
  value: "SECONDS",
  help: "how often to make sure that the broker is still there; 15 by default, 0 for never",
};

/** Milliseconds between two heartbeats. */
export function heartbeatOf(values: FlagValues): number {
  return 1000 * (integerFlag(values, "heartbeat", 0, 86_400) ?? 15);
}

/** For a broker with keys. */
export const KEY_FLAGS: Flags = CURVE_CLIENT_FLAGS;

/** An address: what the flag says, or the environment, or where brokers are by default. */
export function needAddress(values: FlagValues, name: "broadcast" | "receive"): string {
  return addressFlag(values, name) ?? addressOf(environment(VARIABLES[name]) ?? String(DEFAULT_PORTS[name]));
}

const VARIABLES = { broadcast: "BUS_BROADCAST", receive: "BUS_RECEIVE" } as const;

/** A command that takes flags only; `meant` is one of them that may have been left out. */
export function refuseRest(rest: readonly string[], meant?: string): void {
  if (rest.length === 0) return;
  const way = meant === undefined ? "" : `, did you mean --${meant} ${rest[0]}?`;
  throw new UsageError(`Cannot use argument ${quote(rest[0]!)}: expected options only${way}`);
}

/** The keys that the flags give. */
export function keyOptions(values: FlagValues): Pick<ClientOptions, "curve"> {
  const curve = curveClientOptions(values);
  return curve === undefined ? {} : { curve };
}
