import assert from "node:assert/strict";
import { ChurnRate, ConnectionRate, isLoopback, Patience } from "../../zmtp/admission.ts";
import { PURE } from "./core_test_support.ts";

Deno.test("isLoopback() knows this machine in each form", PURE, () => {
  for (const name of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"]) assert(isLoopback(name), name);
  for (const name of ["192.0.2.1", "::", "::10", "1.127.0.0"]) assert(!isLoopback(name), name);
});

Deno.test("ConnectionRate lets a crowd in at once, and more at the rate, the first first", PURE, () => {
  const rate = new ConnectionRate();
  for (let i = 0; i < 1000; i++) assert.equal(rate.arrive("192.0.2.1", 0), 0, `${i}`);
  for (let i = 1; i <= 100; i++) assert.equal(Math.round(rate.arrive("192.0.2.1", 0)), 5 * i);
  assert.equal(rate.arrive("192.0.2.2", 0), 0, "others are not concerned");
  assert.equal(rate.arrive("192.0.2.1", 10_000), 0, "and time heals");
});

Deno.test("ConnectionRate is generous with the loopback, which all programs of a machine share", PURE, () => {
  const rate = new ConnectionRate();
  for (let i = 0; i < 4000; i++) assert.equal(rate.arrive("127.0.0.1", 0), 0, `${i}`);
  assert.equal(rate.arrive("127.0.0.1", 0), 0.5);
});

Deno.test("ConnectionRate takes a failed handshake for ten connections more", PURE, () => {
  const rate = new ConnectionRate();
  for (let i = 0; i < 90; i++) {
    assert.equal(rate.arrive("192.0.2.1", 0), 0);
    rate.fail("192.0.2.1", 0);
  }
  for (let i = 0; i < 10; i++) assert.equal(rate.arrive("192.0.2.1", 0), 0);
  assert(rate.arrive("192.0.2.1", 0) > 0);
});

Deno.test(
  "ConnectionRate lets bogus handshakes of an address with accepted keys cost the others nothing",
  PURE,
  () => {
    const rate = new ConnectionRate();
    rate.know("192.0.2.1");
    for (const address of ["192.0.2.1", "127.0.0.1"]) {
      for (let ms = 0; ms < 10_000; ms++) {
        assert.equal(rate.arrive(address, ms), 0, `${address}, ${ms} ms`);
        rate.fail(address, ms);
      }
    }
  },
);

Deno.test(
  "ConnectionRate refuses who would have to wait longer than 30 s, and that costs nothing",
  PURE,
  () => {
    const rate = new ConnectionRate();
    let waiting = 0;
    while (rate.arrive("192.0.2.1", 0) < Infinity) waiting++;
    assert.equal(waiting, 1000 + 6000);
    for (let i = 0; i < 1000; i++) assert.equal(rate.arrive("192.0.2.1", 0), Infinity);
    assert(rate.arrive("192.0.2.1", 100) < Infinity);
  },
);

Deno.test("Patience ends after a second of silence, and after three with a byte now and then", PURE, () => {
  const patience = new Patience();
  assert(!patience.isOver(0, 0, 999));
  assert(patience.isOver(0, 0, 1000));
  assert(!patience.isOver(0, 2500, 2999));
  assert(patience.isOver(0, 2500, 3000));
});

Deno.test("Patience grows with the load, up to the handshake's own deadline, and shrinks again", PURE, () => {
  const patience = new Patience();
  patience.measure(10, 50);
  assert(!patience.isOver(0, 0, 4999));
  assert(patience.isOver(0, 0, 5000));
  patience.measure(10, 5000);
  assert(!patience.isOver(0, 0, 9999));
  assert(patience.isOver(0, 0, 10_000));
  for (let i = 0; i < 500; i++) patience.measure(10, 10);
  assert(patience.isOver(0, 0, 1000));
});

Deno.test("ChurnRate lets a subscriber take all its topics twice, and then a thousand a second", PURE, () => {
  const change = new ChurnRate().connection("192.0.2.1", 0);
  assert.equal(change(20_000, 0), 0);
  assert.equal(change(300, 0), 300);
  assert.equal(change(300, 300), 300);
  assert.equal(change(0, 10_000), 0);
});

type Change = (changes: number, now: number) => number;

Deno.test(
  "ChurnRate counts all connections of an address together, and no rest is longer than a second",
  PURE,
  () => {
    const rate = new ChurnRate();
    const [a, b, c] = [0, 1, 2].map(() => rate.connection("192.0.2.1", 0)) as [Change, Change, Change];
    const change = rate.connection("192.0.2.2", 0);
    assert.equal(a(20_000, 0), 0);
    assert.equal(b(20_000, 0), 0);
    assert.equal(c(1000, 0), 500);
    assert.equal(c(1_000_000, 0), 1000);
    assert.equal(change(20_000, 0), 0);
  },
);
