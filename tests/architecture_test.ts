/** The arrows between the files point one way; who breaks the direction is named here with file and line. */
import assert from "node:assert/strict";

const ROOT = new URL("../", import.meta.url);

/** One import or re-export. */
interface Import {
  readonly file: string;
  readonly line: number;
  /** `"./x.ts"` as it stands there; undefined when it is known only when the program runs. */
  readonly specifier: string | undefined;
  /** A file of the project by its path, anything else as it stands there. */
  readonly target: string;
  readonly kind: "value" | "type" | "dynamic";
  /** Behind `import.meta.main`: only when the file is the program. */
  readonly isProgramPart: boolean;
}

/** A file of the project, comments blanked. */
interface Source {
  readonly file: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

const sources: readonly Source[] = ["", "zmtp/", "http/", "programs/"].flatMap((folder) =>
  [...Deno.readDirSync(new URL(folder, ROOT))]
    .filter(({ name, isFile }) => isFile && name.endsWith(".ts"))
    .map(({ name }) => read(folder + name))
);

function read(file: string): Source {
  const code = withoutComments(Deno.readTextFileSync(new URL(file, ROOT)));
  const programAt = code.indexOf("if (import.meta.main)");
  const imports: Import[] = [];
  const add = (index: number, specifier: string | undefined, kind: Import["kind"]) =>
    imports.push({
      file,
      line: lineOf(code, index),
      specifier,
      target: specifier?.startsWith(".")
        ? new URL(specifier, new URL(file, ROOT)).href.slice(ROOT.href.length)
        : specifier ?? "?",
      kind,
      isProgramPart: programAt >= 0 && index > programAt,
    });
  const names = String.raw`\*(?:\s+as\s+\w+)?|\{[^}]*\}|\w+(?:\s*,\s*\{[^}]*\})?`;
  const statement = new RegExp(
    String.raw`^(?:import|export)\s+(type\s+)?(${names})\s+from\s+"([^"]+)"`,
    "gm",
  );
  for (const { index, 1: type, 2: names, 3: specifier } of code.matchAll(statement)) {
    const items = names!.startsWith("{")
      ? names!.slice(1, -1).split(",").map((item) => item.trim()).filter(Boolean)
      : [];
    const isType = type !== undefined ||
      (items.length > 0 && items.every((item) => item.startsWith("type ")));
    add(index, specifier, isType ? "type" : "value");
  }
  for (const { index, 1: specifier } of code.matchAll(/^import\s+"([^"]+)"/gm)) {
    add(index, specifier, "value");
  }
  for (const { index, 1: argument } of code.matchAll(/\bimport\(\s*([^)]*?)\s*\)/g)) {
    add(index, /^(["'])[^"']*\1$|^`[^$`]*`$/.test(argument!) ? argument!.slice(1, -1) : undefined, "dynamic");
  }
  return { file, code, imports };
}

/** Comments become blanks, so that lines keep their numbers. A block must begin its line: a text may hold the two signs. */
function withoutComments(text: string): string {
  const blank = (comment: string) => comment.replace(/[^\n]/g, " ");
  return text.replace(/^[ \t]*\/\*[\s\S]*?\*\//gm, blank).replace(/(?<=^|\s)\/\/.*$/gm, blank);
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** Small files that know nothing of the wire; each stands on those before it. */
const GROUND = [
  "errors.ts",
  "version.ts",
  "fifo.ts",
  "options.ts",
  "messages.ts",
  "events.ts",
  "json_check.ts",
  "history.ts",
  "echo_filter.ts",
];

/** The core of the engine: no I/O, no clock. Everything in `zmtp/` that is not one of these five belongs to it. */
const NO_CORE = ["zmtp/tcp.ts", "zmtp/pull.ts", "zmtp/pub.ts", "zmtp/push.ts", "zmtp/sub.ts", "zmtp/mod.ts"];
const CORE = sources.map(({ file }) => file).filter((file) =>
  file.startsWith("zmtp/") && !NO_CORE.includes(file)
);

/** Who may import what, from the most special rule to the most general one. */
const RULES:
  readonly (readonly [who: RegExp, may: (target: string, kind: Import["kind"]) => boolean, what: string])[] =
    [
      [/^(errors|version|fifo)\.ts$/, () => false, "nothing"],
      [
        /^(options|messages|events|json_check|history|echo_filter)\.ts$/,
        (target) => GROUND.includes(target),
        "the small files at the ground",
      ],
      [
        /^mod\.ts$/,
        (target) => target !== "libzmq.ts" && !/^programs\//.test(target),
        "everything but libzmq.ts and programs",
      ],
      [
        /^libzmq\.ts$/,
        (target) =>
          ["zmtp/mod.ts", "zmtp/curve_keys.ts", "zmtp/z85.ts", ...GROUND].includes(target) ||
          /^n(ode|pm):/.test(target),
        "zmtp/mod.ts, how keys are written, the ground, node: and npm:",
      ],
      [
        /^(broker|client)\.ts$/,
        (target) => ["zmtp/mod.ts", ...GROUND].includes(target),
        "zmtp/mod.ts and the ground",
      ],
      [/^http\.ts$/, (target) => /^http\//.test(target) || GROUND.includes(target), "http/ and the ground"],
      [
        /^http\/program\.ts$/,
        (target) => /^(http|programs)\//.test(target) || ["client.ts", "http.ts", ...GROUND].includes(target),
        "http/, programs/, client.ts and the ground",
      ],
      [
        /^http\//,
        (target, kind) =>
          /^(http\/(?!program\.ts)|node:)/.test(target) || GROUND.includes(target) ||
          (target === "client.ts" && kind === "type"),
        "its siblings, the ground, node: and types of client.ts",
      ],
      [
        /^programs\//,
        (target) => target !== "libzmq.ts" && !/^(npm|jsr|https?):/.test(target),
        "everything but libzmq.ts and other packages",
      ],
      [/^zmtp\/(wire|socket_type)\.ts$/, () => false, "nothing"],
      [
        /^zmtp\/(tcp|pull|pub|push|sub|mod)\.ts$/,
        (target) => /^zmtp\//.test(target) || ["errors.ts", "fifo.ts"].includes(target),
        "its siblings, errors.ts and fifo.ts",
      ],
      [
        /^zmtp\//,
        (target) => CORE.includes(target) || ["errors.ts", "fifo.ts"].includes(target),
        "the core, errors.ts and fifo.ts",
      ],
    ];

/** Lines of text that tell of each fault, or nothing. */
function report(faults: readonly string[]): void {
  assert(faults.length === 0, `\n${faults.join("\n")}`);
}

Deno.test("The test reads the files and their imports", () => {
  assert(sources.length > 30);
  const broker = sources.find(({ file }) => file === "broker.ts")!;
  assert(broker.imports.some(({ target, kind }) => target === "zmtp/mod.ts" && kind === "value"));
  assert(
    broker.imports.some(({ target, isProgramPart }) => target === "programs/broker.ts" && isProgramPart),
  );
  assert(CORE.includes("zmtp/session.ts"));
});

Deno.test("Each file imports only what its place in the house allows", () => {
  report(
    sources.flatMap(({ file, imports }) => {
      const [, may, what] = RULES.find(([who]) => who.test(file)) ??
        [undefined, () => false, "nothing: it has no rule"];
      return imports
        .filter(({ target, kind, isProgramPart }) =>
          !(isProgramPart && kind === "dynamic") && target !== "?" && !may(target, kind)
        )
        .map(({ line, target }) => `${file}:${line} imports ${target}, may import ${what}`);
    }),
  );
});

Deno.test("Programs are loaded by program parts and other programs only", () => {
  const isProgram = (file: string) => /^programs\/|^http\/program\.ts$/.test(file);
  report(
    sources.flatMap(({ file, imports }) =>
      imports.filter(({ target, isProgramPart }) => isProgram(target) && !isProgramPart && !isProgram(file))
        .map(({ line, target }) => `${file}:${line} imports ${target} outside of import.meta.main`)
    ),
  );
});

Deno.test("Broker and client never import each other, not by detours either", () => {
  for (const [from, to] of [["broker.ts", "client.ts"], ["client.ts", "broker.ts"]] as const) {
    const path = reachedFrom(from).get(to);
    assert.equal(
      path,
      undefined,
      path?.map(({ file, line, target }) => `${file}:${line} imports ${target}`).join(", "),
    );
  }
});

Deno.test("Nothing imports in a circle", () => {
  for (const { file } of sources) {
    for (const [target, path] of reachedFrom(file, "value")) {
      if (target === file) {
        assert.fail(path.map(({ file, line, target }) => `${file}:${line} imports ${target}`).join(", "));
      }
    }
  }
});

Deno.test("What mod.ts reaches has relative paths and node: only, and no literal import of another package", () => {
  const reached = ["mod.ts", ...reachedFrom("mod.ts", "any").keys()];
  report(
    sources.filter(({ file }) => reached.includes(file)).flatMap(({ file, imports }) =>
      imports.filter(({ specifier }) =>
        specifier !== undefined && !/^(\.{1,2}\/.*\.(ts|html|css|js|svg)|node:.*)$/.test(specifier)
      )
        .map(({ line, specifier }) =>
          `${file}:${line} imports ${specifier}, which a remote module cannot count on`
        )
    ),
  );
});

Deno.test("libzmq.ts is the only file that names npm:zeromq, and mod.ts does not reach it", () => {
  report(
    sources.filter(({ file }) => file !== "libzmq.ts").flatMap(({ file, code }) =>
      linesWith(code, /npm:zeromq|["']zeromq["']/).map((line) => `${file}:${line} names zeromq`)
    ),
  );
  assert.equal(reachedFrom("mod.ts", "any").has("libzmq.ts"), false);
});

Deno.test("In zmtp/ only tcp.ts names Deno or a clock; types of sockets may be mentioned by the four roles", () => {
  const io =
    /\bDeno\b|\bset(Timeout|Interval|Immediate)\b|\bDate\b|\bperformance\b|\bfetch\b|\bnode:(?!crypto")/;
  const roles = ["zmtp/pull.ts", "zmtp/pub.ts", "zmtp/push.ts", "zmtp/sub.ts"];
  report(
    sources.filter(({ file }) => file.startsWith("zmtp/") && file !== "zmtp/tcp.ts").flatMap(
      ({ file, code }) => {
        const rest = roles.includes(file) ? code.replace(/: Deno\.[A-Z]\w+(?=[,)])/g, "") : code;
        return linesWith(rest, io).map((line) => `${file}:${line} does I/O or reads a clock`);
      },
    ),
  );
});

Deno.test("http.ts and http/ know no ZMTP", () => {
  report(
    sources.filter(({ file }) => /^http(\.ts$|\/(?!program\.ts))/.test(file)).flatMap(({ file, imports }) =>
      imports.filter(({ target }) => /^zmtp\/|^broker\.ts$|^libzmq\.ts$/.test(target))
        .map(({ line, target }) => `${file}:${line} imports ${target}`)
    ),
  );
});

/** Numbers of the lines that match. */
function linesWith(code: string, pattern: RegExp): number[] {
  return code.split("\n").flatMap((line, i) => pattern.test(line) ? [i + 1] : []);
}

/** Files that a file reaches, program parts left out, each with the way to it. */
function reachedFrom(start: string, kind: "value" | "any" = "any"): Map<string, readonly Import[]> {
  const reached = new Map<string, readonly Import[]>();
  const waiting: (readonly Import[])[] = [[]];
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    const source = sources.find(({ file }) => file === (path!.at(-1)?.target ?? start));
    for (const step of source?.imports ?? []) {
      if ((step.isProgramPart && step.kind === "dynamic") || (kind === "value" && step.kind !== "value")) {
        continue;
      }
      if (reached.has(step.target) || step.target === "?") continue;
      reached.set(step.target, [...path, step]);
      waiting.push([...path, step]);
    }
  }
  return reached;
}
