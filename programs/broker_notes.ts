/**
 * What a broker tells on stderr without being asked: who is refused, who cannot join, who loses messages.
 *
 * @module
 */
import type { MessageServer } from "../bus/server.ts";
import { quote } from "../base/quote.ts";
import { counted } from "./counted.ts";
import { SUMMARY_MS, Troubles } from "./troubles.ts";

/** Losses come by the thousand, so they are looked for so often instead of told one by one. */
const LOOK_MS = 1000;

/**
 * Tells the first of each kind and of each one who causes it, and then how many there were; all of them, and every message, when
 * `isVerbose`. Goes on until the process ends. Losses are looked for once `isStarted`: the first timer of a process takes Deno
 * 6 ms, a fifth of the start.
 */
export function tellTroubles(
  server: MessageServer,
  tell: (line: string) => void,
  isVerbose: boolean,
  isStarted: Promise<unknown>,
): void {
  const troubles = new Troubles(tell);
  const add = (kind: string, who: string, line: () => string, count?: number) => {
    if (isVerbose) tell(line());
    else troubles.add(kind, who, line, count);
  };
  if (isVerbose) server.addEventListener("message", ({ text }) => tell(`message ${text}`));
  server.addEventListener(
    "refused",
    ({ refusal: { reason, sender, text } }) =>
      add(`refused (${reason})`, sender, () => `refused (${reason}) from ${sender}: ${quote(text)}`),
  );
  server.addEventListener("handshakeerror", ({ failed: { address, role, code, message, hint } }) => {
    const to = role === "send" ? "receive" : "broadcast";
    const why = hint === "" || message.endsWith(hint) ? message : `${message}; ${hint}`;
    // A program that dials again comes from another port each time.
    const host = address.replace(/:\d+$/, "");
    add(
      `not connected (${code})`,
      `${host} ${role}`,
      () => `${address} could not join at the ${to} address: ${why}`,
    );
  });
  const losses = new Losses();
  const look = () => {
    for (const { address, name, lost } of losses.look(server)) {
      const who = name === undefined ? address : `${address} (${name})`;
      add(
        "messages lost by slow listeners",
        address,
        () => `${who} reads too slowly and has lost ${counted(lost, "message")}`,
        lost,
      );
    }
  };
  void isStarted.then(() => {
    setInterval(look, LOOK_MS);
    setInterval(() => troubles.summarize(), SUMMARY_MS);
  });
}

/** How many messages each listener has lost since the last look. */
class Losses {
  #total = 0;
  #known: Map<string, number> = new Map();

  look(
    server: MessageServer,
  ): { readonly address: string; readonly name: string | undefined; readonly lost: number }[] {
    const total = server.stats().subscribers?.dropped ?? 0;
    if (total === this.#total) return [];
    this.#total = total;
    const slow = server.connections().filter(({ dropped }) => dropped > 0);
    const news = slow.map(({ address, name, dropped }) => ({
      address,
      name,
      lost: dropped - (this.#known.get(address) ?? 0),
    }));
    this.#known = new Map(slow.map(({ address, dropped }) => [address, dropped]));
    return news.filter(({ lost }) => lost > 0);
  }
}
