import assert from "node:assert/strict";
import { MessageError } from "../../base/errors.ts";
import {
  assertMessage,
  createLogMessage,
  createReadyMessage,
  createReloadMessage,
  createSampleMessage,
  createSubjectMessage,
  createVariablesMessage,
  createVisualizationMessage,
  instanceId,
  isMessage,
  isMessageOfType,
  type KnownMessage,
  type Message,
  type MessageTypes,
  stringifyMessage,
} from "../../bus/messages.ts";

/** A whole message of each kind, as JSON brings it. */
const KINDS: { readonly [T in keyof MessageTypes]: MessageTypes[T] } = {
  subject: { type: "subject", subject: 119 },
  sample: { type: "sample", sample: [1, "two", 3], target: "a" },
  log: {
    type: "log",
    action: "opened a view",
    state: { zoom: 2 },
    pid: "a",
    application: "viewer",
    time: 1.5,
    screenshot: "aGk=",
  },
  reload: { type: "reload", target: 7, scenario: { view: "brain" } },
  variables: { type: "variables", variables: ["age", "weight"] },
  visualization: { type: "Visualization", source: "viewer", target: "a", scenario: {} },
  ready: { type: "ready", source_pid: 5, source_id: "a" },
};
const NAMES = Object.keys(KINDS) as (keyof MessageTypes)[];
/** Fields that may be missing. */
const OPTIONAL = ["target", "screenshot"];

/** The error that a call throws. */
function errorOf(call: () => unknown): MessageError {
  try {
    call();
  } catch (error) {
    assert(error instanceof MessageError, String(error));
    assert(error instanceof TypeError, "what the caller passed is wrong");
    return error;
  }
  assert.fail("nothing was thrown");
}

for (const name of NAMES) {
  Deno.test(`isMessageOfType() takes a ${name} message, and for no other kind`, () => {
    assert.deepEqual(NAMES.filter((other) => isMessageOfType(KINDS[name], other)), [name]);
  });

  Deno.test(`isMessageOfType() takes a ${name} message with more fields than it needs`, () => {
    assert.equal(isMessageOfType({ ...KINDS[name], extra: [1] }, name), true);
  });

  const fields = Object.keys(KINDS[name]).filter((field) => field !== "type");
  for (const field of fields) {
    const isOptional = OPTIONAL.includes(field) && name !== "reload";
    Deno.test(`isMessageOfType() ${isOptional ? "takes" : "refuses"} a ${name} message without ${field}`, () => {
      const { [field as "type"]: _, ...rest } = KINDS[name];
      assert.equal(isMessageOfType(rest, name), isOptional);
    });
    Deno.test(`isMessageOfType() refuses a ${name} message with another kind of ${field}`, () => {
      for (const value of [null, true, NaN, () => {}]) {
        assert.equal(isMessageOfType({ ...KINDS[name], [field]: value }, name), false, String(value));
      }
    });
  }
}

Deno.test("isMessageOfType() takes both spellings of visualization", () => {
  for (const type of ["Visualization", "visualization"]) {
    assert.equal(isMessageOfType({ ...KINDS.visualization, type }, "visualization"), true);
  }
  assert.equal(isMessageOfType({ ...KINDS.visualization, type: "VISUALIZATION" }, "visualization"), false);
});

Deno.test("isMessageOfType() looks at the items of lists", () => {
  assert.equal(isMessageOfType({ type: "sample", sample: [1, null] }, "sample"), false);
  assert.equal(isMessageOfType({ type: "sample", sample: [] }, "sample"), true);
  assert.equal(isMessageOfType({ type: "variables", variables: ["a", 1] }, "variables"), false);
});

Deno.test("isMessageOfType() is not deceived by names that every object has", () => {
  for (const type of ["constructor", "toString", "__proto__", "hasOwnProperty"]) {
    for (const name of NAMES) assert.equal(isMessageOfType({ type }, name), false);
  }
});

Deno.test("isMessageOfType() takes anything and says no to what is no message", () => {
  for (const value of [undefined, null, 5, "subject", [], [KINDS.subject], () => {}, {}, { type: 5 }]) {
    assert.equal(isMessageOfType(value, "subject"), false);
  }
});

Deno.test("isMessageOfType() tells the compiler what it found", () => {
  const message: Message = JSON.parse('{"type":"subject","subject":119}');
  assert(isMessageOfType(message, "subject"));
  const { subject }: { subject: number | string } = message;
  assert.equal(subject, 119);
});

Deno.test("isMessage() takes each object with a text in type, of whatever kind", () => {
  for (const value of [...Object.values(KINDS), { type: "" }, { type: "mine", data: [1] }]) {
    assert.equal(isMessage(value), true);
  }
  for (
    const value of [
      undefined,
      null,
      5,
      "x",
      [],
      {},
      { type: 5 },
      { type: null },
      Object.assign([], { type: "x" }),
    ]
  ) {
    assert.equal(isMessage(value), false);
  }
});

for (
  const [value, code, message] of [
    [null, "not-an-object", "Cannot take message: it is null, not an object"],
    [[], "not-an-object", "Cannot take message: it is a list, not an object"],
    ["x", "not-an-object", "Cannot take message: it is a string, not an object"],
    [undefined, "not-an-object", "Cannot take message: it is missing, not an object"],
    [{}, "missing-type", "Cannot take message: type is missing, not a text"],
    [{ type: 5 }, "missing-type", "Cannot take message: type is a number, not a text"],
    [{ type: null }, "missing-type", "Cannot take message: type is null, not a text"],
  ] as const
) {
  Deno.test(`assertMessage() says of ${JSON.stringify(value)}: ${code}`, () => {
    const error = errorOf(() => assertMessage(value));
    assert.deepEqual([error.code, error.message], [code, message]);
  });
}

// Constructors

for (
  const [name, made, expected] of [
    ["createSubjectMessage", createSubjectMessage({ subject: 119 }), { type: "subject", subject: 119 }],
    ["createSubjectMessage", createSubjectMessage({ subject: "S-7" }), { type: "subject", subject: "S-7" }],
    ["createSampleMessage", createSampleMessage({ sample: [1, "b"] }), { type: "sample", sample: [1, "b"] }],
    ["createSampleMessage", createSampleMessage({ sample: [], target: "a" }), {
      type: "sample",
      sample: [],
      target: "a",
    }],
    ["createReloadMessage", createReloadMessage({ target: "a", scenario: { z: 1 } }), {
      type: "reload",
      target: "a",
      scenario: { z: 1 },
    }],
    ["createVariablesMessage", createVariablesMessage({ variables: ["age"] }), {
      type: "variables",
      variables: ["age"],
    }],
    [
      "createVisualizationMessage",
      createVisualizationMessage({ source: "viewer", scenario: {} }),
      { type: "Visualization", source: "viewer", scenario: {} },
    ],
    [
      "createVisualizationMessage",
      createVisualizationMessage({ source: "viewer", scenario: { z: 1 }, target: 5 }),
      { type: "Visualization", source: "viewer", scenario: { z: 1 }, target: 5 },
    ],
  ] as const
) {
  Deno.test(`${name}() makes ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(made, expected);
    const kind = made.type.toLowerCase() as keyof MessageTypes;
    assert.equal(isMessageOfType(JSON.parse(stringifyMessage(made)), kind), true);
  });
}

Deno.test("createLogMessage() fills in the time in seconds and this instance's id", () => {
  const before = Date.now() / 1000;
  const message = createLogMessage({ action: "zoomed", state: { zoom: 2 }, application: "viewer" });
  const { time, ...rest } = message;
  assert(time >= before && time <= Date.now() / 1000);
  assert.deepEqual(rest, {
    type: "log",
    action: "zoomed",
    state: { zoom: 2 },
    application: "viewer",
    pid: instanceId,
  });
});

Deno.test("createLogMessage() keeps what it is given", () => {
  assert.deepEqual(
    createLogMessage({ action: "", state: {}, application: "", pid: 5, time: 1.5, screenshot: "aGk=" }),
    { type: "log", action: "", state: {}, application: "", pid: 5, time: 1.5, screenshot: "aGk=" },
  );
});

Deno.test("createLogMessage() makes a log message of another one: its type is no field", () => {
  const other = { ...KINDS.log, type: "subject" };
  assert.equal(createLogMessage(other).type, "log");
});

Deno.test("createReadyMessage() fills in the process id and this instance's id", () => {
  assert.deepEqual(createReadyMessage(), { type: "ready", source_pid: Deno.pid, source_id: instanceId });
  assert.deepEqual(createReadyMessage({ source_pid: 7 }), {
    type: "ready",
    source_pid: 7,
    source_id: instanceId,
  });
  assert.deepEqual(createReadyMessage({ source_id: "b" }).source_id, "b");
});

Deno.test("instanceId is a UUID", () =>
  assert.match(instanceId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/));

const no = undefined as never;
for (
  const [name, call, message] of [
    [
      "createSubjectMessage",
      () => createSubjectMessage({ subject: no }),
      "subject is missing, not a number or a text",
    ],
    [
      "createSubjectMessage",
      () => createSubjectMessage({ subject: NaN }),
      "subject is NaN, not a number or a text",
    ],
    [
      "createSubjectMessage",
      () => createSubjectMessage({ subject: -Infinity }),
      "subject is -Infinity, not a number or a text",
    ],
    // How it was called before 0.2.0.
    [
      "createSubjectMessage",
      () => createSubjectMessage(119 as never),
      "subject is missing, not a number or a text",
    ],
    ["createSubjectMessage", () => createSubjectMessage(no), "subject is missing, not a number or a text"],
    [
      "createSubjectMessage",
      () => createSubjectMessage({ subject: {} as never }),
      "subject is an object, not a number or a text",
    ],
    [
      "createSampleMessage",
      () => createSampleMessage({ sample: 5 as never }),
      "sample is a number, not a list of numbers or texts",
    ],
    [
      "createSampleMessage",
      () => createSampleMessage({ sample: [null as never] }),
      "sample is a list, not a list of numbers or texts",
    ],
    [
      "createSampleMessage",
      () => createSampleMessage({ sample: [], target: null as never }),
      "target is null, not a number or a text",
    ],
    [
      "createReloadMessage",
      () => createReloadMessage({ target: no, scenario: {} }),
      "target is missing, not a number or a text",
    ],
    [
      "createReloadMessage",
      () => createReloadMessage({ target: 1, scenario: [] as never }),
      "scenario is a list, not an object",
    ],
    [
      "createVariablesMessage",
      () => createVariablesMessage({ variables: [5 as never] }),
      "variables is a list, not a list of texts",
    ],
    [
      "createVisualizationMessage",
      () => createVisualizationMessage({ source: 5 as never, scenario: {} }),
      "source is a number, not a text",
    ],
    [
      "createVisualizationMessage",
      () => createVisualizationMessage({ source: "", scenario: null as never }),
      "scenario is null, not an object",
    ],
    [
      "createReadyMessage",
      () => createReadyMessage({ source_pid: "5" as never }),
      "source_pid is a string, not a number",
    ],
    [
      "createLogMessage",
      () => createLogMessage({ action: "", state: null as never, application: "" }),
      "state is null, not an object",
    ],
    [
      "createLogMessage",
      () => createLogMessage({ action: "", state: {}, application: "", screenshot: 5 as never }),
      "screenshot is a number, not a text",
    ],
  ] as const
) {
  Deno.test(`${name}() refuses a field of the wrong type: ${message}`, () => {
    const error = errorOf(call);
    assert.equal(error.code, "bad-field");
    assert(error.message.startsWith("Cannot make message of type "), error.message);
    assert(error.message.endsWith(`: ${message}`), error.message);
  });
}

// Text

Deno.test("stringifyMessage() gives JSON", () => {
  assert.equal(
    stringifyMessage({ type: "mine", data: [1, "é\ud800"] }),
    '{"type":"mine","data":[1,"é\\ud800"]}',
  );
});

Deno.test("stringifyMessage() takes a message of any kind", () => {
  for (const message of Object.values(KINDS) as KnownMessage[]) {
    assert.deepEqual(JSON.parse(stringifyMessage(message)), message);
  }
});

const circle: Record<string, unknown> & { type: string } = { type: "circle" };
circle.self = circle;
for (
  const [what, message, code] of [
    ["a bigint", { type: "x", n: 1n }, "not-json"],
    ["a circle", circle, "not-json"],
    [
      "a toJSON that throws something odd",
      { type: "x", toJSON: () => AbortSignal.abort("two\nlines").throwIfAborted() },
      "not-json",
    ],
    ["a toJSON that gives a list", { type: "x", toJSON: () => [] }, "not-an-object"],
    ["a toJSON that gives nothing", { type: "x", toJSON: () => undefined }, "not-an-object"],
    ["a toJSON that gives an object without type", { type: "x", toJSON: () => ({}) }, "missing-type"],
    ["no type", {} as never, "missing-type"],
    ["a list", [] as never, "not-an-object"],
  ] as const
) {
  Deno.test(`stringifyMessage() says of ${what}: ${code}`, () => {
    const error = errorOf(() => stringifyMessage(message));
    assert.equal(error.code, code);
    assert.equal(error.message.includes("\n"), false, "one line");
  });
}
