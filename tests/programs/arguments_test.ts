/** The command line, read by our own hands: no permission, no module of Node's. */
import assert from "node:assert/strict";
import { type Flags, readArguments, UsageError } from "../../programs/arguments.ts";
import { meant } from "../../programs/meant.ts";

const FLAGS: Flags = {
  broadcast: { type: "string", value: "ADDRESS", help: "where" },
  type: { type: "string", multiple: true, value: "T", help: "which" },
  json: { type: "boolean", help: "as it is" },
  port: { type: "string", short: "p", help: "a port" },
  verbose: { type: "boolean", short: "v", help: "all" },
  "curve-secret-file": { type: "string", isHidden: true },
};

Deno.test(
  { name: "readArguments() reads all forms of flags, and leaves the rest", permissions: "none" },
  () => {
    const { values, rest } = readArguments(FLAGS, [
      ...["a", "--broadcast", "5555", "--type=x", "--type", "y=z", "-vp", "1", "-p2", "-"],
      ...["--json", "--", "--json", "-v"],
    ]);
    assert.deepEqual(values, { broadcast: "5555", type: ["x", "y=z"], verbose: true, port: "2", json: true });
    assert.deepEqual(rest, ["a", "-", "--json", "-v"]);
  },
);

Deno.test({ name: "readArguments() takes a negative number for a value", permissions: "none" }, () => {
  const { values } = readArguments(FLAGS, ["--broadcast", "-1", "-p", "-.5"]);
  assert.deepEqual(values, { broadcast: "-1", port: "-.5" });
});

const WRONG: readonly (readonly [args: readonly string[], message: string])[] = [
  [["--jsn"], 'Cannot use "--jsn": there is no such flag, did you mean --json?'],
  [["--b", "1"], 'Cannot use "--b": there is no such flag'],
  [["--broad", "1"], 'Cannot use "--broad": there is no such flag, did you mean --broadcast?'],
  [["--zzzzzz"], 'Cannot use "--zzzzzz": there is no such flag'],
  [["--curve-secret-fil"], 'Cannot use "--curve-secret-fil": there is no such flag'],
  [["--json=1"], 'Cannot use --json with "1": it takes no value'],
  [["--type"], "Cannot use --type: its value is missing, expected --type T"],
  [
    ["--type", "--json"],
    'Cannot use --type: its value is missing, expected --type T; if "--json" is meant: --type=--json',
  ],
  [["-x"], 'Cannot use "-x": there is no such flag'],
  [["-vx"], 'Cannot use "-x": there is no such flag'],
];
for (const [args, message] of WRONG) {
  Deno.test(
    { name: `readArguments() says what is wrong with ${args.join(" ")}`, permissions: "none" },
    () => {
      assert.throws(() => readArguments(FLAGS, args), (error) => {
        assert.ok(error instanceof UsageError);
        assert.equal(error.message, message);
        return true;
      });
    },
  );
}

Deno.test({ name: "meant() finds a name that is near, and no other", permissions: "none" }, () => {
  const names = ["listen", "send", "last", "sessions", "top"];
  assert.equal(meant("lisetn", names), "listen");
  assert.equal(meant("Listen", names), "listen");
  assert.equal(meant("snd", names), "send");
  assert.equal(meant("sess", names), "sessions");
  assert.equal(meant("publish", names), undefined);
  assert.equal(meant("", names), undefined);
});
