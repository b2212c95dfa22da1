/**
 * What other machines call this one.
 *
 * @module
 */

/** Stands where the sandbox hides the address. */
export const UNKNOWN_ADDRESS = "ADDRESS-OF-THIS-MACHINE";

/** Its addresses in the network, IPv4 first; undefined where the sandbox does not show them, or there are none. Asks nobody. */
export function machineAddresses(): readonly string[] | undefined {
  if (Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" }).state !== "granted") {
    return undefined;
  }
  const found = Deno.networkInterfaces().filter(({ family, address }) =>
    // Not its own loop, and not what a machine gives itself when nobody else does.
    family === "IPv4" && !/^(?:127|169\.254)\./.test(address)
  ).map(({ address }) => address);
  return found.length === 0 ? undefined : found;
}
