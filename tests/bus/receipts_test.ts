/** Who waits to hear what became of a message. */
import assert from "node:assert/strict";
import { Receipts } from "../../bus/receipts.ts";

const permissions = "none";
const never = new AbortController().signal;

/** What was told of messages 1 to 9 so far. */
async function waiting(receipts: Receipts): Promise<() => Promise<(number | string | undefined)[]>> {
  const told: (number | string | undefined)[] = Array.from({ length: 9 }, () => "waits");
  for (let n = 1; n <= 9; n++) void receipts.wait(n, never).then((position) => told[n - 1] = position);
  await Promise.resolve();
  return async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    return told;
  };
}

Deno.test({
  name: "Receipts knows a message by the connection that it left over, and its number there",
  permissions,
  async fn() {
    const receipts = new Receipts();
    receipts.handleLink(1, 0);
    receipts.handleLink(2, 4); // four messages left over the first connection
    const told = await waiting(receipts);
    receipts.handleOwn({ link: 1, index: 3 }, 40);
    receipts.handleOwn({ link: 2, index: 0 }, 50);
    receipts.handleOwn({ link: 3, index: 0 }, 60); // never heard of
    const w = "waits";
    assert.deepEqual(await told(), [w, w, w, 40, 50, w, w, w, w]);
  },
});

Deno.test({
  name: "Receipts tells those whose messages were refused, and no others",
  permissions,
  async fn() {
    const receipts = new Receipts();
    receipts.handleLink(1, 1);
    const told = await waiting(receipts);
    receipts.handleRefused(3, { link: 1, index: 2 });
    receipts.handleRefused(3, { link: 9, index: 0 });
    const w = "waits";
    assert.deepEqual(await told(), [w, w, w, undefined, undefined, undefined, w, w, w]);
    receipts.handleRefused(999_999_999_999_999, { link: 1, index: 6 });
    assert.deepEqual(await told(), [w, w, w, undefined, undefined, undefined, w, undefined, undefined]);
  },
});

Deno.test({
  name: "Receipts remembers the last sixteen connections",
  permissions,
  async fn() {
    const receipts = new Receipts();
    for (let link = 1; link <= 17; link++) receipts.handleLink(link, 0);
    const told = await waiting(receipts);
    receipts.handleOwn({ link: 1, index: 0 }, 40);
    receipts.handleOwn({ link: 2, index: 1 }, 50);
    assert.deepEqual((await told()).slice(0, 2), ["waits", 50]);
  },
});
