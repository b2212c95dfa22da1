/**
 * Names of hosts to listen at.
 *
 * @module
 */

/**
 * The address to bind for a name: 127.0.0.1 for `localhost`, which the system may know as ::1, as 127.0.0.1 or as both. A socket
 * listens at one of them, and whoever dials the name tries 127.0.0.1 in any case. All other names are as they are.
 */
export function hostToBind(name: string): string {
  return /^localhost\.?$/i.test(name) ? "127.0.0.1" : name;
}
