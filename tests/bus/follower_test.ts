/** The client's side of the feed, given what brokers say and what they should not say. Together with the other side: feed_reader_test. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeNote, FEED_PROPERTY, type FeedNote, type FeedStart } from "../../bus/feed_note.ts";
import { Follower } from "../../bus/follower.ts";
import { formatPlace, MAX_SEQ } from "../../bus/place.ts";

const permissions = "none";
const encoder = new TextEncoder();

/** A follower that writes down what it finds out. */
function makeFollower(start: FeedStart = "now"): { follower: Follower; told: string[] } {
  const told: string[] = [];
  const follower = new Follower(start, {
    handleJoin: (epoch, seq) => void told.push(`join ${epoch}.${seq}`),
    handleGap: (missed, reason) => void told.push(`gap ${missed} ${reason}`),
    handleLife: (epoch, seq) => void told.push(`life ${epoch}.${seq}`),
    handleRefused: (messages, link, index) => void told.push(`refused ${messages} ${link}/${index}`),
  });
  return { follower, told };
}

/** Connects to a broker that numbers, or to one that does not. Gives what is asked for. */
function connect(follower: Follower, feed: string | undefined = "life.0"): string[] {
  const topics = follower.handleConnect((name) => name === FEED_PROPERTY ? feed : undefined);
  return topics.map((topic) => new TextDecoder().decode(topic));
}

function foreign(follower: Follower): string[] {
  return follower.handleConnect(() => undefined).map(String);
}

function place(follower: Follower, seq: number, epoch = "life", reason: "start" | "slow" = "start"): void {
  assert.ok(follower.handleNote(encodeNote({ what: "place", place: { epoch, seq }, reason })));
}

Deno.test({
  name: "Follower asks for what comes from now on, and later for what follows its place",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    assert.deepEqual(connect(follower), ["\0feed/1 now"]);
    assert.equal(follower.place, undefined);
    place(follower, 7);
    assert.equal(follower.handleMessage(), undefined);
    assert.equal(follower.place, "life.8");
    follower.handleDisconnect();
    assert.deepEqual(connect(follower, "life.12"), ["\0feed/1 life.8"]);
    assert.deepEqual(told, ["join life.7"]);
  },
});

Deno.test({
  name: "Follower asks again for all that is held when nothing was told before the cut",
  permissions,
  fn() {
    const { follower } = makeFollower("earliest");
    assert.deepEqual(connect(follower), ["\0feed/1 earliest"]);
    follower.handleDisconnect();
    assert.deepEqual(connect(follower), ["\0feed/1 earliest"]);
  },
});

Deno.test({
  name: "Follower tells the exact number that is missing between its place and where the broker goes on",
  permissions,
  fn() {
    const { follower, told } = makeFollower({ epoch: "life", seq: 3 });
    assert.deepEqual(connect(follower), ["\0feed/1 life.3"]);
    place(follower, 10);
    follower.handleMessage();
    place(follower, 20, "life", "slow");
    assert.deepEqual(told, ["gap 7 expired", "gap 9 slow"]);
    assert.equal(follower.place, "life.20");
  },
});

Deno.test({
  name: "Follower tells a gap of unknown size, then the life, when the broker began another one",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    connect(follower);
    place(follower, 5);
    assert.deepEqual(connect(follower, "other.9"), ["\0feed/1 life.5"]);
    place(follower, 2, "other");
    assert.deepEqual(told, ["join life.5", "gap null restarted", "life other.2"]);
    assert.equal(follower.place, "other.2");
  },
});

Deno.test({
  name: "Follower takes a place of the future that it was given for a foreign one",
  permissions,
  fn() {
    const { follower, told } = makeFollower({ epoch: "life", seq: 100 });
    connect(follower);
    place(follower, 4);
    assert.equal(follower.handleMessage(), undefined);
    assert.deepEqual(told, ["gap null restarted", "life life.4"]);
    assert.equal(follower.place, "life.5");
  },
});

Deno.test({
  name: "Follower says which messages are its own, and forgets it where the broker tells another place",
  permissions,
  fn() {
    const { follower } = makeFollower();
    connect(follower);
    place(follower, 0);
    follower.handleNote(encodeNote({ what: "own", messages: 3, link: 3, index: 5 }));
    assert.deepEqual(follower.handleMessage(), { link: 3, index: 5 });
    assert.deepEqual(follower.handleMessage(), { link: 3, index: 6 });
    place(follower, 9, "life", "slow");
    assert.equal(follower.handleMessage(), undefined);
    follower.handleNote(encodeNote({ what: "own", messages: 1, link: 3, index: 6 }));
    assert.deepEqual(follower.handleMessage(), { link: 3, index: 6 });
    assert.equal(follower.handleMessage(), undefined);
  },
});

Deno.test({
  name: "Follower asks from its place on, also when it is cut while the broker says again what it said",
  permissions,
  fn() {
    const { follower } = makeFollower();
    connect(follower);
    place(follower, 8);
    place(follower, 3);
    assert.equal(follower.handleMessage(), "repeated");
    assert.deepEqual(connect(follower), ["\0feed/1 life.8"]);
  },
});

Deno.test({
  name: "Follower that was told a place once does not ask for everything that is held again",
  permissions,
  fn() {
    const { follower } = makeFollower("earliest");
    assert.deepEqual(connect(follower), ["\0feed/1 earliest"]);
    place(follower, 5);
    foreign(follower);
    assert.deepEqual(connect(follower, "other.9"), ["\0feed/1 now"]);
  },
});

Deno.test({
  name: "Follower passes on which messages were refused",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    connect(follower);
    follower.handleNote(encodeNote({ what: "refused", messages: 3, link: 1, index: 8 }));
    assert.deepEqual(told, ["refused 3 1/8"]);
  },
});

Deno.test({
  name: "Follower of a broker without numbers has no place, and a gap of unknown size after each cut",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    assert.deepEqual(foreign(follower), []);
    follower.handleMessage();
    assert.deepEqual([told, follower.place, follower.isFollowing], [[], undefined, false]);
    follower.handleDisconnect();
    foreign(follower);
    assert.deepEqual(told, ["gap null disconnected"]);
  },
});

Deno.test({
  name: "Follower goes from a broker with numbers to one without, and back",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    connect(follower);
    place(follower, 5);
    foreign(follower);
    assert.deepEqual([follower.place, follower.isFollowing], [undefined, false]);
    assert.deepEqual(connect(follower, "life.9"), ["\0feed/1 now"]);
    place(follower, 9);
    assert.deepEqual(told, [
      "join life.5",
      "gap null restarted",
      "life undefined.0",
      "gap null restarted",
      "life life.9",
    ]);
    assert.equal(follower.place, "life.9");
  },
});

Deno.test({
  name: "Follower believes no note of a broker that does not number: anybody may have sent it",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    foreign(follower);
    for (
      const note of [
        { what: "place", place: { epoch: "forged", seq: 1 }, reason: "start" },
        { what: "own", messages: 1000, link: 1, index: 0 },
        { what: "refused", messages: 1, link: 1, index: 0 },
      ] as const satisfies readonly FeedNote[]
    ) {
      assert.equal(follower.handleNote(encodeNote(note)), false);
    }
    assert.equal(follower.handleMessage(), undefined);
    assert.deepEqual([told, follower.isFollowing, follower.place], [[], false, undefined]);
  },
});

Deno.test({
  name: "Follower forgets what the last broker said when its connection ended before it was of use",
  permissions,
  fn() {
    const { follower } = makeFollower();
    connect(follower);
    place(follower, 0);
    follower.handleNote(encodeNote({ what: "own", messages: 5, link: 1, index: 0 }));
    foreign(follower); // nobody said that the other connection ended
    assert.equal(follower.isFollowing, false);
    assert.equal(follower.handleMessage(), undefined);
  },
});

Deno.test({
  name: "Follower takes a broker that says it numbers and tells no place for one that does not number",
  permissions,
  fn() {
    const { follower, told } = makeFollower({ epoch: "life", seq: 3 });
    connect(follower);
    assert.equal(follower.handleMessage(), undefined);
    assert.deepEqual(told, ["gap null restarted", "life undefined.0"]);
    assert.deepEqual([follower.place, follower.isFollowing], [undefined, false]);
    const late = encodeNote({ what: "place", place: { epoch: "life", seq: 9 }, reason: "start" });
    assert.equal(follower.handleNote(late), false);
  },
});

Deno.test({
  name: "Follower delivers no number twice, wherever the broker goes back to",
  permissions,
  fn() {
    const { follower, told } = makeFollower();
    connect(follower);
    place(follower, 5);
    for (let i = 0; i < 3; i++) follower.handleMessage(); // 6, 7, 8
    place(follower, 6);
    assert.deepEqual([follower.handleMessage(), follower.handleMessage()], ["repeated", "repeated"]);
    assert.equal(follower.place, "life.8");
    assert.equal(follower.handleMessage(), undefined); // 9
    place(follower, 0);
    place(follower, 11, "life", "slow");
    assert.equal(follower.handleMessage(), undefined);
    assert.deepEqual([told, follower.place], [["join life.5", "gap 2 slow"], "life.12"]);
  },
});

Deno.test({
  name: "Follower has a place that can be asked for even at the largest number",
  permissions,
  fn() {
    const { follower } = makeFollower();
    connect(follower);
    place(follower, MAX_SEQ);
    assert.equal(follower.handleMessage(), "repeated");
    assert.deepEqual(connect(follower), [`\0feed/1 ${formatPlace("life", MAX_SEQ)}`]);
  },
});

for (
  const [what, text] of [
    ["nothing behind NUL", "\0"],
    ["no JSON", "\0feed/1 {"],
    ["another version", '\0feed/2 {"place":"life.1","reason":"start"}'],
    ["a list", "\0feed/1 []"],
    ["null", "\0feed/1 null"],
    ["a number", "\0feed/1 1"],
    ["nothing that is known", '\0feed/1 {"hello":1}'],
    ["a place that is none", '\0feed/1 {"place":"life"}'],
    ["a place with 16 digits", '\0feed/1 {"place":"life.1000000000000000"}'],
    ["less than no messages", '\0feed/1 {"own":-1,"link":1,"index":0}'],
    ["half a message", '\0feed/1 {"own":0.5,"link":1,"index":0}'],
    ["too many messages", '\0feed/1 {"own":1e300,"link":1,"index":0}'],
    ["no link", '\0feed/1 {"refused":1,"index":0}'],
    ["more than a note may have", `\0feed/1 {"place":"life.1","x":"${"x".repeat(1024)}"}`],
  ] as const
) {
  Deno.test({
    name: `Follower takes a frame with ${what} for no note`,
    permissions,
    fn() {
      const { follower, told } = makeFollower();
      connect(follower);
      assert.equal(follower.handleNote(encoder.encode(text)), false);
      assert.deepEqual([told, follower.place], [[], undefined]);
    },
  });
}

Deno.test({
  name: "Follower: whatever a broker says, places rise within a life and no number is delivered twice",
  permissions,
  fn() {
    const epoch = fc.constantFrom("one", "two");
    const step = fc.oneof(
      fc.constant("message" as const),
      fc.constant("message" as const),
      fc.record({ epoch, seq: fc.nat(12) }),
      fc.record({ own: fc.nat(5) }),
      fc.constant("cut" as const),
      fc.constant("foreign" as const),
      fc.uint8Array({ maxLength: 30 }),
    );
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      // Only within one stay: who comes back to an epoch after another one is told of a gap of unknown size.
      let delivered = new Set<string>();
      const follower = new Follower("now", {
        handleJoin: () => {},
        handleGap: (missed) => assert.ok(missed === null || missed > 0),
        handleLife: () => delivered = new Set(),
        handleRefused: () => {},
      });
      connect(follower);
      for (const step of steps) {
        if (step === "message") {
          if (follower.handleMessage() === "repeated" || !follower.isFollowing) continue;
          assert.ok(!delivered.has(follower.place!), follower.place);
          delivered.add(follower.place!);
        } else if (step === "cut") connect(follower);
        else if (step === "foreign") foreign(follower);
        else if (step instanceof Uint8Array) follower.handleNote(step);
        else if ("own" in step) {
          follower.handleNote(encodeNote({ what: "own", messages: step.own, link: 1, index: 0 }));
        } else {
          const before = follower.place?.split(".");
          const isNote = follower.handleNote(encodeNote({ what: "place", place: step, reason: "start" }));
          if (isNote && before?.[0] === step.epoch) {
            assert.ok(Number(follower.place!.split(".")[1]) >= Number(before[1]));
          }
        }
      }
    }));
  },
});
