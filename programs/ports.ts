/**
 * Where a broker is when nobody says otherwise: clients look there.
 *
 * @module
 */

/** The ports of the two addresses, and the one of the web side in our examples. */
export const DEFAULT_PORTS = { broadcast: 5555, receive: 5556, http: 8000 } as const;
