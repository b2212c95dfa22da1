/** Replay on a clock of the test: when what is sent, whatever is done to it meanwhile. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { Player, type PlayerClock, type PlayerSource } from "../../archive/mod.ts";
import { Schedule } from "../../archive/schedule.ts";
import { QueueFullError } from "../../base/errors.ts";
import type { RecordedGap, RecordedMessage, ReplayOptions, SessionInfo } from "../../bus/recording.ts";

const permissions = "none";

/** Time passes when the test says so. */
class FakeClock implements PlayerClock {
  #now = 1000;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#sleepers.push({ at: this.#now + ms, wake: resolve });
    signal.addEventListener("abort", () => resolve());
    return promise;
  }

  /** Everybody is woken at the time that they wait for. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settled();
    while (true) {
      this.#sleepers.sort((a, b) => a.at - b.at);
      const next = this.#sleepers[0];
      if (next === undefined || next.at > end) break;
      this.#sleepers.shift();
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await settled();
    }
    this.#now = end;
    await settled();
  }

  /** Time passes, and nobody gets a turn. */
  jump(ms: number): void {
    this.#now += ms;
  }
}

/** All that can go on without time has gone on. */
async function settled(): Promise<void> {
  for (let i = 0; i < 200; i++) await Promise.resolve();
}

interface Sent {
  readonly at: number;
  readonly text: string;
}

/** A session of messages at these milliseconds, and everything that is sent of it, brackets apart. */
class Stage {
  readonly clock = new FakeClock();
  readonly sent: Sent[] = [];
  readonly brackets: string[] = [];
  readonly deeds: object[] = [];
  readonly messages: readonly RecordedMessage[];
  gaps: readonly RecordedGap[] = [];
  isFull = false;
  readonly #start = this.clock.now();

  constructor(times: readonly number[], types: readonly string[] = []) {
    this.messages = times.map((time, i) => {
      const type = types[i] ?? "a";
      return { seq: i + 1, time: 10_000 + time, type, text: `{"type":"${type}","n":${i + 1}}` };
    });
  }

  play(options: ReplayOptions = {}): Promise<Player> {
    return Player.start(this.#source(), options, this.clock);
  }

  /** What was sent when, in milliseconds since the start. */
  get log(): (readonly [ms: number, n: number])[] {
    return this.sent.map(({ at, text }) => [Math.round(at - this.#start), JSON.parse(text).n]);
  }

  #source(): PlayerSource {
    const session = {
      id: 3,
      name: "Tuesday",
      started: 10_000,
      messages: this.messages.length,
    } as SessionInfo;
    return {
      session: () => Promise.resolve(session),
      moment: (moment) => {
        const seq = "seq" in moment
          ? moment.seq
          : this.messages.findLast(({ time }) => time <= moment.time)?.seq ?? 0;
        const time = "time" in moment ? moment.time : this.messages[seq - 1]?.time ?? session.started;
        return Promise.resolve({ seq, time });
      },
      page: (after, types) => {
        const rest = this.messages.filter(({ seq, type }) => seq > after && (types?.includes(type!) ?? true));
        const messages = rest.slice(0, 7);
        const next = rest.length > 7 ? messages.at(-1)!.seq : null;
        return Promise.resolve({
          messages,
          gaps: types === undefined
            ? this.gaps.filter((gap) => gap.after >= after && gap.after < (next ?? Infinity))
            : [],
          next,
        });
      },
      stateAt: (moment) => {
        const seq = (moment as { readonly seq: number }).seq;
        const value = this.messages.findLast((message) => message.seq <= seq && message.type === "subject");
        const values = value === undefined ? [] : [{
          key: "subject",
          type: "subject",
          target: null,
          seq: value.seq,
          time: value.time,
          text: value.text,
        }];
        return Promise.resolve({ seq, time: 0, values, instances: [] });
      },
      send: (texts) => {
        if (this.isFull) throw new QueueFullError("full");
        for (const text of texts) {
          if (text.startsWith('{"type":"replay"') && "replay" in JSON.parse(text)) {
            this.brackets.push(JSON.parse(text).state);
          } else this.sent.push({ at: this.clock.now(), text });
        }
      },
      addDeed: (detail) => {
        this.deeds.push(detail);
        return Promise.resolve();
      },
    };
  }
}

Deno.test({
  name: "A replay sends each message when it is due, counted from the start, and ends",
  permissions,
  async fn() {
    const stage = new Stage([0, 100, 100, 350, 1000]);
    const player = await stage.play();
    await stage.clock.pass(999);
    assert.deepEqual(stage.log, [[0, 1], [100, 2], [100, 3], [350, 4]]);
    assert.equal(player.status().state, "playing");
    await stage.clock.pass(1);
    const { state, sent, seq } = await player.finished;
    assert.deepEqual([state, sent, seq], ["ended", 5, 5]);
    assert.deepEqual(stage.brackets, ["start", "end"]);
    assert.deepEqual(stage.deeds, [{ from: 0, to: 5, sent: 5 }]);
  },
});

for (const [speed, ms] of [[2, 500], [0.5, 2000], [1000, 1], [0.01, 100_000]] as const) {
  Deno.test({
    name: `A replay at speed ${speed} takes ${ms} ms for a second`,
    permissions,
    async fn() {
      const stage = new Stage([0, 1000]);
      await stage.play({ speed });
      await stage.clock.pass(ms - 1);
      assert.equal(stage.sent.length, 1);
      await stage.clock.pass(1);
      assert.equal(stage.sent.length, 2);
    },
  });
}

Deno.test({
  name: "At full speed nothing waits",
  permissions,
  async fn() {
    const stage = new Stage(Array.from({ length: 50 }, (_, i) => i * 60_000));
    const player = await stage.play({ speed: Infinity });
    await stage.clock.pass(0);
    assert.equal((await player.finished).sent, 50);
    assert.equal(player.status().speed, null);
  },
});

Deno.test({
  name: "The speed changes from now on, and what was due before stays as it was",
  permissions,
  async fn() {
    const stage = new Stage([0, 1000, 2000, 3000]);
    const player = await stage.play();
    await stage.clock.pass(1500);
    player.speed = 10;
    await stage.clock.pass(1000);
    assert.deepEqual(stage.log, [[0, 1], [1000, 2], [1550, 3], [1650, 4]]);
    assert.throws(() => player.speed = 0, { code: "bad-option" });
  },
});

Deno.test({
  name: "A pause moves what comes later; a step sends one message while paused",
  permissions,
  async fn() {
    const stage = new Stage([0, 100, 200, 300]);
    const player = await stage.play();
    await stage.clock.pass(50);
    player.pause();
    await stage.clock.pass(10_000);
    assert.deepEqual(stage.log, [[0, 1]]);
    assert.equal(await player.step(), 1);
    assert.deepEqual(stage.log.at(-1), [10_050, 2]);
    assert.equal(player.status().state, "paused");
    player.resume();
    await stage.clock.pass(200);
    assert.deepEqual(stage.log.slice(2), [[10_150, 3], [10_250, 4]]);
    assert.deepEqual(stage.brackets, ["start", "pause", "resume", "end"]);
  },
});

Deno.test({
  name: "A step passes over what is left out, and says how many it sent at the end",
  permissions,
  async fn() {
    const stage = new Stage([0, 1, 2, 3], ["log", "a", "ready", "a"]);
    const player = await stage.play({ paused: true });
    await stage.clock.pass(0);
    assert.equal(await player.step(), 1);
    assert.deepEqual(stage.log.map(([, n]) => n), [2]);
    assert.equal(await player.step(5), 1);
    assert.equal(await player.step(), 0);
    assert.equal(player.status().leftOut, 2);
  },
});

Deno.test({
  name: "A seek goes on from another moment, forward or back",
  permissions,
  async fn() {
    const stage = new Stage([0, 1000, 2000, 3000, 4000]);
    const player = await stage.play();
    await stage.clock.pass(0);
    await player.seek({ seq: 4 });
    await stage.clock.pass(1);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 4]);
    await player.seek({ time: 10_500 });
    await stage.clock.pass(499);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 4]);
    await stage.clock.pass(1);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 4, 2]);
  },
});

Deno.test({
  name: "Log, ready and reload are left out unless they are asked for",
  permissions,
  async fn() {
    const types = ["log", "subject", "ready", "sample", "reload", "other"];
    const played = async (options: ReplayOptions) => {
      const stage = new Stage(types.map((_, i) => i), types);
      const player = await stage.play({ speed: Infinity, ...options });
      await stage.clock.pass(0);
      await player.finished;
      return stage.log.map(([, n]) => types[n - 1]);
    };
    assert.deepEqual(await played({}), ["subject", "sample", "other"]);
    assert.deepEqual(await played({ except: [] }), types);
    assert.deepEqual(await played({ only: ["log", "s*"] }), ["log", "subject", "sample"]);
    assert.deepEqual(await played({ except: ["s*"] }), ["log", "ready", "reload", "other"]);
  },
});

Deno.test({
  name:
    "What an earlier replay sent is left out, if its end was recorded; everything is sent when it is asked for",
  permissions,
  async fn() {
    const played = async (states: Record<number, string>, options: ReplayOptions = {}) => {
      const stage = new Stage([0, 1, 2, 3, 4], [1, 2, 3, 4, 5].map((n) => n in states ? "replay" : "a"));
      const messages = stage.messages as RecordedMessage[];
      for (const [n, state] of Object.entries(states)) {
        const i = Number(n) - 1;
        messages[i] = { ...messages[i]!, text: `{"type":"replay","state":"${state}","n":${n}}` };
      }
      const player = await stage.play({ speed: Infinity, ...options });
      await stage.clock.pass(0);
      await player.finished;
      return stage.log.map(([, n]) => n);
    };
    assert.deepEqual(await played({ 2: "start", 4: "end" }), [1, 5]);
    assert.deepEqual(await played({ 2: "start" }), [1, 3, 4, 5]);
    assert.deepEqual(await played({ 2: "start", 4: "end" }, { nested: true }), [1, 2, 3, 4, 5]);
  },
});

Deno.test({
  name: "Long pauses are cut, and what comes behind them keeps its distances",
  permissions,
  async fn() {
    const stage = new Stage([0, 100, 60_100, 60_200, 120_200]);
    await stage.play({ maxGapMs: 500 });
    await stage.clock.pass(2000);
    assert.deepEqual(stage.log, [[0, 1], [100, 2], [600, 3], [700, 4], [1200, 5]]);
  },
});

Deno.test({
  name: "With restore, what was valid at the beginning is sent first, and again after a seek",
  permissions,
  async fn() {
    const stage = new Stage([0, 10, 20, 30], ["subject", "a", "subject", "a"]);
    const player = await stage.play({ from: { seq: 2 }, restore: true });
    await stage.clock.pass(0);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 2]);
    await player.seek({ seq: 4 });
    await stage.clock.pass(0);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 2, 3, 4]);
  },
});

Deno.test({
  name: "A part is played from one moment to another, both included",
  permissions,
  async fn() {
    for (
      const [from, to] of [
        [{ seq: 2 }, { seq: 4 }],
        [{ time: 10_010 }, { time: 10_030 }],
        [{ seq: 2 }, { time: 10_035 }],
      ] as const
    ) {
      const stage = new Stage([0, 10, 20, 30, 40]);
      const player = await stage.play({ from, to, speed: Infinity });
      await stage.clock.pass(0);
      await player.finished;
      assert.deepEqual(stage.log.map(([, n]) => n), [2, 3, 4]);
    }
    const stage = new Stage([0, 10]);
    await assert.rejects(stage.play({ from: { seq: 2 }, to: { seq: 0 } }), { code: "bad-option" });
  },
});

Deno.test({
  name: "A loop begins anew at its end, until it is stopped; with nothing to send it ends",
  permissions,
  async fn() {
    const stage = new Stage([0, 100]);
    const player = await stage.play({ loop: true });
    await stage.clock.pass(250);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 2, 1, 2, 1]);
    await player.stop();
    assert.equal(player.status().state, "ended");
    const silent = new Stage([0], ["log"]);
    const ends = await silent.play({ loop: true });
    await silent.clock.pass(10);
    assert.equal((await ends.finished).sent, 0);
  },
});

Deno.test({
  name: "More than a second late, a replay goes on later and says so, and leaves nothing out",
  permissions,
  async fn() {
    const stage = new Stage([0, 100, 5000, 5100]);
    const player = await stage.play();
    await stage.clock.pass(10);
    stage.clock.jump(3000);
    await stage.clock.pass(0);
    assert.equal(player.status().late, 1);
    await stage.clock.pass(5000);
    assert.deepEqual(stage.log, [[0, 1], [3010, 2], [7910, 3], [8010, 4]]);
  },
});

Deno.test({
  name: "With a full queue a replay waits, and each message is sent once",
  permissions,
  async fn() {
    const stage = new Stage([0, 1, 2]);
    stage.isFull = true;
    const player = await stage.play({ speed: Infinity });
    await stage.clock.pass(500);
    assert.equal(stage.sent.length, 0);
    stage.isFull = false;
    await stage.clock.pass(50);
    assert.equal((await player.finished).sent, 3);
    assert.deepEqual(stage.log.map(([, n]) => n), [1, 2, 3]);
  },
});

Deno.test({
  name: "What is missing in the recording is counted when that part is played",
  permissions,
  async fn() {
    const stage = new Stage([0, 1, 2]);
    stage.gaps = [{ after: 1, missed: 5, from: 0, to: 0, reason: "slow" }];
    const player = await stage.play({ speed: Infinity });
    await stage.clock.pass(0);
    assert.equal((await player.finished).missed, 5);
  },
});

Deno.test({
  name: "Stopped by its signal, a replay tells its end, and an empty session ends at once",
  permissions,
  async fn() {
    const stage = new Stage([0, 1000]);
    const stop = new AbortController();
    const player = await stage.play({ signal: stop.signal });
    await stage.clock.pass(10);
    stop.abort();
    await stage.clock.pass(0);
    await player.finished;
    assert.deepEqual(stage.brackets, ["start", "end"]);
    const empty = await new Stage([]).play();
    assert.equal((await empty.finished).sent, 0);
  },
});

Deno.test({
  name: "Options that cannot be are refused",
  permissions,
  async fn() {
    for (
      const options of [{ speed: 0 }, { speed: NaN }, { speed: 2000 }, { maxGapMs: -1 }, { maxGapMs: NaN }]
    ) {
      await assert.rejects(new Stage([0]).play(options), { code: "bad-option" });
    }
  },
});

Deno.test({
  name: "Schedule: whatever its clock does, everything is given once, in order, and never early",
  permissions,
  fn() {
    const step = fc.oneof(
      fc.record({ what: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 3000 }) }),
      fc.record({
        what: fc.constant("speed" as const),
        speed: fc.constantFrom(0.01, 0.5, 1, 3, 1000, Infinity),
      }),
      fc.record({ what: fc.constant("run" as const), isRunning: fc.boolean() }),
      fc.record({ what: fc.constant("next" as const) }),
    );
    fc.assert(fc.property(
      fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 30 }),
      fc.array(step, { maxLength: 30 }),
      (pauses, steps) => {
        const schedule = new Schedule({ speed: 1 });
        let [now, time] = [0, 0];
        schedule.begin(0, now);
        schedule.run(true, now);
        pauses.forEach((pause, i) => schedule.add({ seq: i + 1, time: time += pause, text: "{}" }));
        const given: number[] = [];
        for (const one of steps) {
          if (one.what === "pass") now += one.ms;
          if (one.what === "speed") schedule.setSpeed(one.speed, now);
          if (one.what === "run") schedule.run(one.isRunning, now);
          const { next } = schedule;
          if (one.what === "next") {
            const due = schedule.takeNext(now);
            if (due !== undefined) given.push(due.seq);
          } else {
            const due = schedule.take(now);
            if (due.length > 0) assert(next !== undefined && next <= now, "not early");
            given.push(...due.map(({ seq }) => seq));
          }
        }
        schedule.setSpeed(Infinity, now);
        schedule.run(true, now);
        given.push(...schedule.take(now).map(({ seq }) => seq));
        assert.deepEqual(given, pauses.map((_, i) => i + 1));
      },
    ));
  },
});
