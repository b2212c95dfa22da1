/**
 * Ending a WebSocket without the help of its peer.
 *
 * `close()` says goodbye and waits for the answer, for ever; meanwhile Deno goes on to collect whatever the peer sends. Deno has no
 * public way to end it, only one that it uses itself when a peer answers no ping. Where a Deno should not have it any more, the
 * socket lasts until its peer goes: tests/http/limits_test.ts would tell.
 *
 * @module
 */

interface Insides {
  readonly core?: { readonly tryClose?: (id: number) => void };
}

/** Resets the connection. What Deno has read of an unfinished message is free then; what it has to write is not. */
export function cutSocket(socket: WebSocket): void {
  const deno = Deno as unknown as Record<symbol, Insides | undefined> & { readonly internal?: symbol };
  const insides = deno.internal === undefined ? undefined : deno[deno.internal];
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === "[[rid]]");
  const id: unknown = key === undefined ? undefined : Reflect.get(socket, key);
  if (typeof id === "number") insides?.core?.tryClose?.(id);
}
