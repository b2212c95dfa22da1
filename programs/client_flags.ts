/**
 * The flags that commands of `client.ts` share: which broker, and the keys for it.
 *
 * @module
 */
import type { ClientOptions } from "../bus/clients.ts";
import { quote } from "../base/quote.ts";
import { type Flag, type Flags, type FlagValues, UsageError } from "./arguments.ts";
import { addressFlag } from "./command_line.ts";
import { CURVE_CLIENT_FLAGS, curveClientOptions } from "./key_file.ts";

/** Where to listen. */
export const BROADCAST_FLAG: Flag = {
  type: "string",
  value: "ADDRESS",
  help: "the broker's broadcast address, tcp://host:port, or only the port on this machine",
};

/** Where to send. */
export const RECEIVE_FLAG: Flag = {
  type: "string",
  value: "ADDRESS",
  help: "the broker's receive address, tcp://host:port, or only the port on this machine",
};

/** For a broker with keys. */
export const KEY_FLAGS: Flags = CURVE_CLIENT_FLAGS;

/** The address that a flag gives. */
export function needAddress(values: FlagValues, name: "broadcast" | "receive"): string {
  const address = addressFlag(values, name);
  if (address === undefined) throw new UsageError(`Cannot connect: --${name} is missing`);
  return address;
}

/** A command that takes flags only. */
export function refuseRest(rest: readonly string[]): void {
  if (rest.length > 0) {
    throw new UsageError(`Cannot use argument ${quote(rest[0]!)}: expected options only`);
  }
}

/** The keys that the flags give. */
export function keyOptions(values: FlagValues): Pick<ClientOptions, "curve"> {
  const curve = curveClientOptions(values);
  return curve === undefined ? {} : { curve };
}
