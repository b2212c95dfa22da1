/** Options of a backbone: each mistake is told before anything is opened. */
import assert from "node:assert/strict";
import { NatsBackbone, type NatsBackboneOptions } from "../../backbone/mod.ts";
import { readBackboneOptions } from "../../backbone/options.ts";

const PURE = { permissions: "none" } as const;
const SERVERS = "nats://127.0.0.1:4222";

Deno.test("readBackboneOptions fills in the defaults", PURE, () => {
  const { servers, isTls, bus, order, holdMs, replay, catchUpMs, queue } = readBackboneOptions({
    servers: SERVERS,
  });
  assert.deepEqual({ servers, isTls, bus, order, holdMs, replay, catchUpMs, queue }, {
    servers: ["127.0.0.1:4222"],
    isTls: false,
    bus: "default",
    order: "stream",
    holdMs: 10_000,
    replay: "none",
    catchUpMs: 300_000,
    queue: { messages: 10_000, bytes: 67_108_864 },
  });
});

Deno.test("readBackboneOptions takes several servers, with and without scheme and port", PURE, () => {
  const { servers } = readBackboneOptions({ servers: "nats://127.0.0.1, localhost:4223,[::1]:1" });
  assert.deepEqual(servers, ["127.0.0.1:4222", "localhost:4223", "[::1]:1"]);
  assert.deepEqual(readBackboneOptions({ servers: ["tls://nats.example.org"] }).isTls, true);
});

const BAD: readonly (readonly [string, Partial<NatsBackboneOptions> & Record<string, unknown>, RegExp])[] = [
  ["no server", { servers: [] }, /none is given/],
  ["an empty server", { servers: "" }, /expected nats:/],
  ["another scheme", { servers: "http://127.0.0.1:4222" }, /expected nats:/],
  ["a path", { servers: "nats://127.0.0.1:4222/x" }, /expected nats:/],
  ["a port that cannot be", { servers: "nats://127.0.0.1:70000" }, /no port 70000/],
  ["a password in the address", { servers: "nats://me:secret@127.0.0.1:4222" }, /--backbone-creds/],
  ["servers with and without TLS", { servers: "tls://127.0.0.1,nats://127.0.0.1" }, /some say tls/],
  ["a server far away without TLS", { servers: "nats://10.0.0.1:4222" }, /could be read on the way/],
  ["a bus with a dot", { bus: "a.b" }, /Cannot use bus/],
  ["a bus that is a wildcard", { bus: "*" }, /Cannot use bus/],
  ["a bus that is too long", { bus: "x".repeat(65) }, /Cannot use bus/],
  ["a site with a blank", { site: "a b" }, /Cannot use site/],
  ["an unknown order", { order: "both" as "local" }, /not stream or local/],
  ["an unknown replay", { replay: "all" as "last" }, /not none or last/],
  ["a negative holdMs", { holdMs: -1 }, /Cannot use holdMs/],
  ["a queue for nothing", { queue: { messages: 0 } }, /Cannot use queue\.messages/],
  ["six replicas", { replicas: 6 }, /Cannot use replicas/],
  ["two identities", { auth: { token: "x", nkey: "y" } }, /give one of/],
  ["a password without a user", { auth: { password: "x" } }, /give one of/],
  ["a seed that is none", { auth: { nkey: "UABC" } }, /seed/],
  ["creds that are none", { auth: { creds: "secret" } }, /a \.creds file/],
  ["a CA that is none", { tls: { ca: "secret" } }, /PEM/],
];

for (const [name, options, expected] of BAD) {
  Deno.test(`NatsBackbone refuses ${name}, and quotes no secret`, PURE, () => {
    assert.throws(
      () => new NatsBackbone({ servers: SERVERS, ...options }),
      (error: Error & { code?: string }) => {
        assert.equal(error.name, "OptionError");
        assert.equal(error.code, "bad-option");
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, /secret/);
        return true;
      },
    );
  });
}
