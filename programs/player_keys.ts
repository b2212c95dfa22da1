/**
 * A replay by the keys of a terminal.
 *
 * @module
 */
import type { Replay } from "../bus/recording.ts";

/** What the keys of a terminal do, until it is disposed of. Where stdin is none, nothing. */
export function playerKeys(player: Replay, quit: () => void): Disposable {
  if (!Deno.stdin.isTerminal()) return { [Symbol.dispose]: () => {} };
  Deno.stdin.setRaw(true, { cbreak: Deno.build.os !== "windows" });
  const reader = Deno.stdin.readable.getReader();
  const listen = async () => {
    for (let read; !(read = await reader.read()).done;) {
      for (const key of decoder.decode(read.value).match(KEYS) ?? []) handleKey(player, key, quit);
    }
  };
  listen().catch(() => {}); // The terminal has gone; the replay goes on.
  return {
    [Symbol.dispose]: () => {
      Deno.stdin.setRaw(false);
      reader.cancel().catch(() => {});
    },
  };
}

/** Does what a key says. */
export function handleKey(player: Replay, key: string, quit: () => void): void {
  switch (key) {
    case " ":
      return player.status().state === "paused" ? player.resume() : player.pause();
    case "\x1b[C":
      return void player.step();
    case "\x1b[A":
      player.speed = Math.min(1000, player.speed * 2);
      return;
    case "\x1b[B":
      player.speed = Math.max(0.01, Math.min(1000, player.speed) / 2);
      return;
    case "q":
      return quit();
  }
}

// deno-lint-ignore no-control-regex -- it is what terminals send
const KEYS = /\x1b\[[A-D]|[^\x1b]/g;
const decoder = new TextDecoder();
