import assert from "node:assert/strict";
import fc from "fast-check";
import { AddressError } from "../../base/errors.ts";
import { formatEndpoint, parseBindEndpoint, parseEndpoint } from "../../zmtp/endpoint.ts";
import { PURE, thrownBy } from "./core_test_support.ts";

const GOOD: readonly (readonly [text: string, hostname: string, port: number])[] = [
  ["tcp://127.0.0.1:5555", "127.0.0.1", 5555],
  ["tcp://broker.lab-3.example.org:65535", "broker.lab-3.example.org", 65_535],
  ["tcp://my_host:80", "my_host", 80],
  ["tcp://[::1]:5555", "::1", 5555],
  ["tcp://[fe80::1%eth0]:5555", "fe80::1%eth0", 5555],
  ["tcp://[::ffff:127.0.0.1]:5555", "::ffff:127.0.0.1", 5555],
  ["tcp://[2001:DB8::a]:5555", "2001:DB8::a", 5555],
];
for (const [text, hostname, port] of GOOD) {
  Deno.test(`parseEndpoint() reads ${text}`, PURE, () => {
    assert.deepEqual(parseEndpoint(text), { hostname, port });
    assert.deepEqual(parseBindEndpoint(text), { hostname, port });
  });
}

for (
  const [text, hostname] of [
    ["tcp://127.0.0.1:*", "127.0.0.1"],
    ["tcp://127.0.0.1:0", "127.0.0.1"],
    ["tcp://*:*", "0.0.0.0"],
    ["tcp://*:0", "0.0.0.0"],
    ["tcp://[::1]:*", "::1"],
    ["tcp://[::]:0", "::"],
    ["tcp://localhost:*", "127.0.0.1"],
    ["tcp://LocalHost.:0", "127.0.0.1"],
  ] as const
) {
  Deno.test(`parseBindEndpoint() reads ${text}`, PURE, () => {
    assert.deepEqual(parseBindEndpoint(text), { hostname, port: 0 });
  });
  Deno.test(`parseEndpoint() refuses to dial ${text}`, PURE, () => {
    assert.equal(thrownBy(() => parseEndpoint(text)).code, "invalid-address");
  });
}

Deno.test(
  "parseEndpoint() leaves localhost as it is, parseBindEndpoint() takes 127.0.0.1 for it",
  PURE,
  () => {
    assert.deepEqual(parseEndpoint("tcp://localhost:1"), { hostname: "localhost", port: 1 });
    assert.deepEqual(parseBindEndpoint("tcp://localhost:1"), { hostname: "127.0.0.1", port: 1 });
  },
);

const BAD = [
  "",
  "tcp://",
  "tcp://:5555",
  "tcp://localhost",
  "tcp://localhost:",
  "tcp://localhost:abc",
  "tcp://localhost:99999",
  "tcp://localhost:65536",
  "tcp://localhost:-1",
  "tcp://localhost:+1",
  "tcp://localhost:1e3",
  "tcp://localhost:0x50",
  "tcp://localhost:80x80",
  "tcp://localhost:80 ",
  "tcp://localhost: 80",
  "tcp://localhost:80/",
  "tcp://local host:80",
  "tcp://a..b:80",
  "tcp://-a:80",
  "tcp://host/path:80",
  "tcp://user@host:80",
  "TCP://localhost:80",
  "udp://localhost:80",
  "ipc:///tmp/socket",
  "http://localhost:80",
  "localhost:80",
  "tcp://127.0.0.1:5556;127.0.0.1:5555",
  "tcp://::1:5555",
  "tcp://[::1]",
  "tcp://[::1]5555",
  "tcp://[]:5555",
  "tcp://[localhost]:5555",
  "tcp://[127.0.0.1]:5555",
  "tcp://[:]:5555",
  "tcp://[::::]:5555",
  "tcp://[1:2]:5555",
  "tcp://[1:2:3:4:5:6:7:8:9]:5555",
  "tcp://[12345::]:5555",
];
for (const text of BAD) {
  Deno.test(`parseEndpoint() and parseBindEndpoint() refuse ${JSON.stringify(text)}`, PURE, () => {
    for (const parse of [parseEndpoint, parseBindEndpoint]) {
      const error = thrownBy(() => parse(text));
      assert(error instanceof AddressError);
      assert.equal(error.code, "invalid-address");
      assert(error.message.includes(JSON.stringify(text)), error.message);
    }
  });
}

Deno.test("parseEndpoint() refuses what is no text", PURE, () => {
  for (const value of [undefined, null, 5555, {}, 1n]) {
    assert.equal(thrownBy(() => parseEndpoint(value as unknown as string)).code, "invalid-address");
  }
});

Deno.test("parseEndpoint() reads what formatEndpoint() wrote", PURE, () => {
  const hostname = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(
    fc.property(hostname, fc.integer({ min: 1, max: 65_535 }), (hostname, port) => {
      assert.deepEqual(parseEndpoint(formatEndpoint({ hostname, port })), { hostname, port });
    }),
  );
});

Deno.test("parseEndpoint() with any text gives an endpoint or one AddressError, at once", PURE, () => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((rest) => `tcp://${rest}`),
    fc.stringMatching(/^tcp:\/\/[[\]:.%a0*-]*$/),
  );
  fc.assert(
    fc.property(text, (text) => {
      try {
        const { hostname, port } = parseEndpoint(text);
        assert(hostname !== "" && port > 0 && port < 65_536);
      } catch (error) {
        assert(error instanceof AddressError);
      }
    }),
    { numRuns: 1000 },
  );
  assert.throws(() => parseEndpoint(`tcp://${"a".repeat(100_000)}!:80`), AddressError);
  assert.throws(() => parseEndpoint(`tcp://[${":".repeat(100_000)}!]:80`), AddressError);
});
