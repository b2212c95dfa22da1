import assert from "node:assert/strict";
import { TokenBucket, TokenBuckets } from "../../base/token_bucket.ts";

const RATE = { perSecond: 10, burst: 5 };

Deno.test("TokenBucket.take() answers after how many seconds there are enough", () => {
  const bucket = new TokenBucket(RATE, 0);
  assert.equal(bucket.take(5, 0), 0);
  assert.equal(bucket.take(1, 0), 0.1);
  assert.equal(bucket.take(1, 100), 0);
});

Deno.test("TokenBucket.take() fills the bucket with time and never above its size", () => {
  const bucket = new TokenBucket(RATE, 0);
  assert.equal(bucket.take(5, 100_000), 0);
  assert.equal(bucket.take(1, 100_000), 0.1);
});

Deno.test("TokenBucket.take() lets a full bucket be overdrawn by more than it holds", () => {
  const bucket = new TokenBucket(RATE, 0);
  assert.equal(bucket.take(15, 0), 0);
  assert.equal(bucket.tokens(0), -10);
  assert.equal(bucket.take(1, 1000), 0.1);
});

Deno.test("TokenBucket.spend() takes tokens that are not there", () => {
  const bucket = new TokenBucket(RATE, 0);
  bucket.spend(7, 0);
  assert.equal(bucket.tokens(0), -2);
  assert.equal(bucket.tokens(200), 0);
});

Deno.test("TokenBuckets.of() has a bucket for each key", () => {
  const buckets = new TokenBuckets(RATE);
  assert.equal(buckets.of("a", 0).take(5, 0), 0);
  assert.equal(buckets.of("a", 0).take(1, 0), 0.1);
  assert.equal(buckets.of("b", 0).take(1, 0), 0);
});

Deno.test("TokenBuckets.of() forgets the key that was silent longest", () => {
  const buckets = new TokenBuckets(RATE);
  buckets.of("a", 0).spend(5, 0);
  buckets.of("b", 0).spend(5, 0);
  buckets.of("a", 0);
  for (let i = 0; i < 9999; i++) buckets.of(String(i), 0);
  assert.equal(buckets.of("a", 0).tokens(0), 0);
  assert.equal(buckets.of("b", 0).tokens(0), 5);
});
