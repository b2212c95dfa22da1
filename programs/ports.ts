/**
 * Where a broker is when nobody says otherwise: clients look there.
 *
 * @module
 */

/** The ports of the two addresses. */
export const DEFAULT_PORTS = { broadcast: 5555, receive: 5556 } as const;
