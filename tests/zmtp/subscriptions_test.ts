import assert from "node:assert/strict";
import fc from "fast-check";
import { ProtocolError } from "../../base/errors.ts";
import { Subscriptions } from "../../zmtp/subscriptions.ts";
import { bytes, latin1, PURE, repeated, thrownBy } from "./core_test_support.ts";

/** Does a message with this body get through? */
function lets(subscriptions: Subscriptions, body: Uint8Array): boolean {
  return subscriptions.matches(body, 0, body.length);
}

/** A set with these topics. */
function set(...topics: readonly string[]): Subscriptions {
  const subscriptions = new Subscriptions();
  for (const topic of topics) subscriptions.add(bytes(topic));
  return subscriptions;
}

Deno.test("Subscriptions.matches() lets nothing through without a topic", PURE, () => {
  assert.equal(lets(set(), bytes("")), false);
  assert.equal(lets(set(), bytes("'a'")), false);
});

Deno.test(
  "Subscriptions.matches() lets everything through with the empty topic, the empty message too",
  PURE,
  () => {
    assert.equal(lets(set(""), bytes("")), true);
    assert.equal(lets(set(""), bytes("'a'")), true);
    assert.equal(set("").isEverything, true);
    assert.equal(set("'a'").isEverything, false);
  },
);

Deno.test("Subscriptions.matches() compares bytes, whatever they are", PURE, () => {
  const subscriptions = set("ff 00");
  assert.equal(lets(subscriptions, bytes("ff 00 01")), true);
  assert.equal(lets(subscriptions, bytes("ff 01")), false);
});

Deno.test("Subscriptions.matches() survives a topic longer than the message", PURE, () => {
  assert.equal(lets(set("'abc'"), bytes("'ab'")), false);
  assert.equal(lets(set("'abc'"), bytes("'abc'")), true);
});

Deno.test("Subscriptions.matches() looks at the body alone, not at what is behind it", PURE, () => {
  assert.equal(set("'abc'").matches(bytes("'xxabcxx'"), 2, 4), false);
  assert.equal(set("'abc'").matches(bytes("'xxabcxx'"), 2, 5), true);
});

Deno.test("Subscriptions.remove() ends a topic that was added twice: a set, not a counter", PURE, () => {
  const subscriptions = set("'a'", "'a'");
  assert.equal(subscriptions.count, 1);
  subscriptions.remove(bytes("'a'"));
  assert.equal(subscriptions.count, 0);
  assert.equal(lets(subscriptions, bytes("'a'")), false);
});

Deno.test("Subscriptions.remove() ignores an unknown topic", PURE, () => {
  const subscriptions = set("'a'", "");
  subscriptions.remove(bytes("'b'"));
  subscriptions.remove(bytes("'ab'"));
  assert.equal(subscriptions.count, 2);
  subscriptions.remove(bytes(""));
  assert.equal(subscriptions.isEverything, false);
});

Deno.test("Subscriptions.add() keeps the topic when its bytes are overwritten", PURE, () => {
  const subscriptions = new Subscriptions();
  const topic = bytes("'abc'");
  subscriptions.add(topic);
  topic.fill(0);
  assert.equal(lets(subscriptions, bytes("'abcd'")), true);
});

Deno.test(
  "Subscriptions.add() refuses one topic above the limit, and takes one again that it has",
  PURE,
  () => {
    const subscriptions = new Subscriptions({ maxTopics: 2 });
    for (const topic of ["'a'", "'b'", "'a'", "'b'"]) subscriptions.add(bytes(topic));
    const error = thrownBy(() => subscriptions.add(bytes("'c'")));
    assert(error instanceof ProtocolError);
    assert.equal(error.code, "too-many-topics");
    subscriptions.remove(bytes("'a'"));
    subscriptions.add(bytes("'c'"));
  },
);

Deno.test("Subscriptions.add() refuses 10,001 topics unless told otherwise", PURE, () => {
  const subscriptions = new Subscriptions();
  for (let i = 0; i < 10_000; i++) subscriptions.add(Uint8Array.of(i >> 8, i & 0xff));
  assert.equal(thrownBy(() => subscriptions.add(bytes("'abc'"))).code, "too-many-topics");
});

Deno.test("Subscriptions.add() refuses a topic of 4097 bytes unless told otherwise", PURE, () => {
  const subscriptions = new Subscriptions();
  subscriptions.add(repeated(1, 4096));
  assert.equal(thrownBy(() => subscriptions.add(repeated(1, 4097))).code, "too-many-topics");
});

Deno.test(
  "Subscriptions.add() refuses topics of more than 4 MiB together, and has room again after a remove()",
  PURE,
  () => {
    const topic = (i: number) => {
      const bytes = repeated(1, 4096);
      bytes.set([i >> 8, i & 0xff]);
      return bytes;
    };
    const subscriptions = new Subscriptions();
    for (let i = 0; i < 1024; i++) subscriptions.add(topic(i));
    assert.equal(thrownBy(() => subscriptions.add(bytes("'a'"))).code, "too-many-topics");
    subscriptions.add(topic(5)); // Once more is no change.
    subscriptions.remove(topic(0));
    subscriptions.add(bytes("'a'"));
  },
);

Deno.test("Subscriptions takes and matches a topic of a megabyte: nothing recurses", PURE, () => {
  const subscriptions = new Subscriptions({ maxTopicBytes: Infinity });
  const topic = repeated(0x61, 1_000_000);
  subscriptions.add(topic);
  assert.equal(lets(subscriptions, topic), true);
  assert.equal(lets(subscriptions, topic.subarray(1)), false);
  subscriptions.remove(topic);
  assert.equal(subscriptions.count, 0);
});

Deno.test(
  "Subscriptions.matches() costs no more bytes than the longest topic has, whoever chose the topics",
  PURE,
  () => {
    // Nine topics of each size that differ from the message in the last byte only: compared one by one, the bytes of all
    // topics would be read for each message, 4,500,000 of them.
    const subscriptions = new Subscriptions({ maxBytes: Infinity });
    for (let size = 1; size <= 1000; size++) {
      for (let last = 0; last < 9; last++) {
        const topic = repeated(0x61, size);
        topic[size - 1] = last;
        subscriptions.add(topic);
      }
    }
    let reads = 0;
    const message = new Proxy(repeated(0x61, 5000), {
      get(target, key): unknown {
        if (typeof key === "string") reads++;
        return Reflect.get(target, key);
      },
    });
    assert.equal(subscriptions.matches(message, 0, 5000), false);
    assert(reads <= 1000, `${reads} reads`);
  },
);

Deno.test("Subscriptions equals a naive list, whatever is added, removed and asked", PURE, () => {
  const byte = fc.constantFrom(0x00, 0x61, 0xff);
  const text = fc.array(byte, { maxLength: 5 }).map((bytes) => Uint8Array.from(bytes));
  const step = fc.record({ add: fc.boolean(), topic: text });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120, size: "max" }),
      fc.array(text, { maxLength: 20 }),
      (steps, messages) => {
        const subscriptions = new Subscriptions();
        const list = new Set<string>();
        for (const { add, topic } of steps) {
          if (add) {
            subscriptions.add(topic);
            list.add(latin1(topic));
          } else {
            subscriptions.remove(topic);
            list.delete(latin1(topic));
          }
          assert.equal(subscriptions.count, list.size);
          assert.equal(subscriptions.isEverything, list.has(""));
          for (const message of messages) {
            const expected = [...list].some((prefix) => latin1(message).startsWith(prefix));
            assert.equal(lets(subscriptions, message), expected);
          }
        }
      },
    ),
  );
});
