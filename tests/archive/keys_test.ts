/** The keys of a terminal, and what they do to a replay. */
import assert from "node:assert/strict";
import type { Replay } from "../../bus/recording.ts";
import { handleKey } from "../../programs/player_keys.ts";

Deno.test({
  name: "Space holds on and goes on, right steps, up and down change the speed within its bounds, q ends",
  permissions: "none",
  fn() {
    const done: string[] = [];
    let state = "playing";
    const player = {
      speed: 1,
      status: () => ({ state }),
      pause: () => void (state = "paused"),
      resume: () => void (state = "playing"),
      step: () => Promise.resolve(done.push("step")),
    } as unknown as Replay;
    const press = (key: string) => handleKey(player, key, () => void done.push("quit"));
    press(" ");
    assert.equal(state, "paused");
    press(" ");
    assert.equal(state, "playing");
    for (const key of ["\x1b[C", "x", "\x1b[D", "q"]) press(key);
    assert.deepEqual(done, ["step", "quit"]);
    press("\x1b[A");
    assert.equal(player.speed, 2);
    for (let i = 0; i < 20; i++) press("\x1b[A");
    assert.equal(player.speed, 1000);
    for (let i = 0; i < 40; i++) press("\x1b[B");
    assert.equal(player.speed, 0.01);
    player.speed = Infinity;
    press("\x1b[B");
    assert.equal(player.speed, 500);
  },
});
