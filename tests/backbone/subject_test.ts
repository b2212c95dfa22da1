/** Subjects and headers: what stands on the wire. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeHeaders, makeInstance, MAX_HEADER_BYTES, parseOrigin, siteOf } from "../../backbone/origin.ts";
import { escapeType, MAX_TOKEN, MAX_TYPES, Subjects, unescapeType } from "../../backbone/subject.ts";

const PURE = { permissions: "none" } as const;
const text = fc.string({ unit: "binary" });

Deno.test("escapeType makes one token that servers take as it is, or says that there is none", PURE, () => {
  fc.assert(
    fc.property(
      fc.oneof(text, fc.string(), fc.constantFrom("", "*", ">", "a.b", "_x", "$x", "\ud800")),
      (type) => {
        const token = escapeType(type);
        if (token === undefined) return assert.ok(type === "" || type.length > 20 || !type.isWellFormed());
        assert.match(token, /^[A-Za-z0-9%-][A-Za-z0-9_%-]*$/);
        assert.ok(token.length <= MAX_TOKEN);
        assert.equal(unescapeType(token), type);
      },
    ),
  );
  assert.equal(escapeType("a.b c"), "a%2Eb%20c");
  assert.equal(escapeType("_other"), "%5Fother");
});

Deno.test("unescapeType knows only what escapeType makes", PURE, () => {
  for (const token of ["", "%", "%2", "%2e", "%41", "a.b", "*", "_x", "$JS", "%FF"]) {
    assert.equal(unescapeType(token), undefined, token);
  }
});

Deno.test("Subjects of() has a subject for no type, a long one, and the one that is too many", PURE, () => {
  const subjects = new Subjects("lab");
  assert.equal(subjects.of("subject"), "braviz.lab.subject");
  assert.equal(subjects.of(undefined), "braviz.lab._none");
  assert.equal(subjects.of(""), "braviz.lab._other");
  assert.equal(subjects.of("x".repeat(MAX_TOKEN + 1)), "braviz.lab._other");
  assert.equal(subjects.of("é".repeat(50)), "braviz.lab._other");
  for (let i = 1; i < MAX_TYPES; i++) assert.equal(subjects.of(`t${i}`), `braviz.lab.t${i}`);
  assert.equal(subjects.of("one more"), "braviz.lab._other");
  assert.equal(subjects.of("subject"), "braviz.lab.subject");
});

Deno.test("parseOrigin reads what encodeHeaders writes, and takes nothing else", PURE, () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{0,64}$/),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      fc.nat(),
      fc.nat(999_999_999),
      (site, number, before, gone) => {
        const instance = makeInstance(site);
        assert.equal(siteOf(instance), site);
        const confirmed = Math.max(0, number - 1 - before);
        const bytes = encodeHeaders({ instance, number, confirmed }, gone);
        assert.ok(bytes.length <= MAX_HEADER_BYTES);
        const value = /Bus-From: (.*)\r\n/.exec(new TextDecoder().decode(bytes))![1]!;
        assert.deepEqual(parseOrigin(value), { instance, number, confirmed });
      },
    ),
  );
  const instance = "lab.0123456789ab";
  assert.deepEqual(parseOrigin(`${instance} 7`), { instance, number: 7, confirmed: 0 });
  for (
    const value of [
      "",
      instance,
      `${instance} 0`,
      `${instance} 01`,
      `${instance} -1`,
      `${instance} 1.5`,
      `${instance} 1 1`,
      `${instance} 1 2`,
      `${instance} 3 02`,
      `${instance} 3 2 1`,
      `${instance} 9007199254740992`,
      `${instance} 99999999999999999`,
      `${instance}\t1`,
      "LAB 1",
      ".0123456789ab 1",
    ]
  ) assert.equal(parseOrigin(value), undefined, value);
});
