/** The rules of the house, read from the files themselves; who breaks one is named with file and line. */
import assert from "node:assert/strict";
import { type Import, readHouse, readSource, roomOf, type Source } from "./support/imports.ts";
import { housePicture } from "./support/house_picture.ts";

const ROOT = new URL("../", import.meta.url);

const DOORS = ["mod.ts", "broker.ts", "client.ts", "http.ts"];

/** What each room may import beside itself: rooms, or single files. `node:` is free to all but the pure rooms. */
const MAY: Readonly<Record<string, readonly string[]>> = {
  base: [],
  zmtp: ["base"],
  bus: ["base", "zmtp/mod.ts"],
  http: ["base", "bus"],
  archive: ["base", "bus"],
  backbone: ["base", "bus"],
  programs: ["base", "zmtp", "bus", "http", "archive", "backbone"],
};

/** A file longer than this has two nouns, or a reason that stands here. */
const MAX_LINES = 450;
const LONG_FOR_A_REASON: Readonly<Record<string, string>> = {
  "zmtp/session.ts":
    "the whole state machine of a connection: who reads one state needs the others beside it",
};

/** The files that may do I/O or read a clock inside of `zmtp/`, where all else is pure. */
const ENGINE_IO = /^zmtp\/(?:(?:clock|listener|dialer)\.ts$|libzmq\/)/;

/** Everything that is wrong with some files, each as `file:line what`. */
function faultsOf(sources: readonly Source[], reasons = LONG_FOR_A_REASON): string[] {
  return [
    directionFaults(sources),
    circleFaults(sources),
    doorFaults(sources),
    ioFaults(sources),
    lengthFaults(sources, reasons),
    packageFaults(sources),
    zeromqFaults(sources),
  ].flat().sort();
}

/** The arrows point one way: doors, programs -> http, archive, backbone -> bus -> zmtp -> base. */
function directionFaults(sources: readonly Source[]): string[] {
  const files = new Set(sources.map(({ file }) => file));
  return sources.flatMap(({ file, imports }) =>
    imports.flatMap(({ line, target, isProgramPart }) => {
      const [from, to] = [roomOf(file), roomOf(target)];
      if (!/\.(?:ts|js)$/.test(target) || /^(?:npm|jsr|https?|node):/.test(target)) return [];
      if (!files.has(target)) return [`${file}:${line} imports ${target}, which is in no room`];
      if (from === "") {
        return to !== "programs" || isProgramPart
          ? []
          : [`${file}:${line} imports ${target} outside of its program part`];
      }
      if (to === "") return [`${file}:${line} imports the door ${target}`];
      if (from === to || MAY[from]?.some((may) => may === to || may === target)) return [];
      const may = MAY[from]?.join(", ") || "nothing";
      return [`${file}:${line} imports ${target}; beside its own room ${from}/ may import ${may}`];
    })
  );
}

/** No circle of any kind: types, later imports and program parts count as well. */
function circleFaults(sources: readonly Source[]): string[] {
  const byFile = new Map(sources.map((source) => [source.file, source]));
  /** Files that were left behind: no circle goes through them any more. */
  const done = new Set<string>();
  const faults: string[] = [];
  const visit = (source: Source, path: readonly (Import & { readonly file: string })[]) => {
    for (const step of source.imports) {
      const next = byFile.get(step.target);
      if (next === undefined || done.has(step.target)) continue;
      const way = [...path, { ...step, file: source.file }];
      const start = way.findIndex(({ file }) => file === step.target);
      if (start < 0) visit(next, way);
      else {
        const circle = way.slice(start).map(({ file, line, target }) => `${file}:${line} imports ${target}`);
        faults.push(`${circle.join(", ")}: a circle`);
      }
    }
    done.add(source.file);
  };
  for (const source of sources) if (!done.has(source.file)) visit(source, []);
  return faults;
}

/** At the top level there are doors only: they re-export, and run the program of their name. */
function doorFaults(sources: readonly Source[]): string[] {
  return sources.filter(({ file }) => roomOf(file) === "").flatMap(({ file, code, lineCount }) => {
    if (!DOORS.includes(file)) return [`${file}:1 is no door: modules live in rooms`];
    const faults = lineCount < 15 || lineCount > 60
      ? [`${file}:1 has ${lineCount} lines, a door has 15 to 60`]
      : [];
    const rest = code
      .replace(/^export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s*from\s*"[^"]*";$/gm, blanked)
      .replace(/^if \(import\.meta\.main\) \{\n[\s\S]*?^\}$/m, blanked);
    const first = rest.split("\n").findIndex((line) => line.trim() !== "");
    if (first >= 0) {
      faults.push(`${file}:${first + 1} does more than a door: it re-exports, and runs its program`);
    }
    return faults;
  });
}

/** The engine is pure but for three files. Types of sockets may be mentioned. */
function ioFaults(sources: readonly Source[]): string[] {
  const io = /\bDeno\b|\bset(?:Timeout|Interval|Immediate)\b|\bDate\b|\bperformance\b|\bfetch\b|["']node:/;
  return sources.filter(({ file }) => roomOf(file) === "zmtp" && !ENGINE_IO.test(file)).flatMap((
    { file, code },
  ) =>
    linesWith(
      code.replace(/: Deno\.[A-Z]\w+(?=[,)])|getBuiltinModule(?:<"node:crypto">|\("node:crypto"\))/g, ""),
      io,
    )
      .map((line) =>
        `${file}:${line} does I/O or reads a clock: that is for clock.ts, listener.ts and dialer.ts`
      )
  );
}

function lengthFaults(sources: readonly Source[], reasons: Readonly<Record<string, string>>): string[] {
  return sources.flatMap(({ file, lineCount }) => {
    const hasReason = file in reasons;
    if (lineCount > MAX_LINES && !hasReason) {
      return [`${file}:${lineCount} is longer than ${MAX_LINES} lines`];
    }
    if (lineCount <= MAX_LINES && hasReason) {
      return [`${file}:${lineCount} is short again: its reason can go`];
    }
    return [];
  });
}

/** A remote module cannot count on a lock file or a map of names: relative paths and node: only. */
function packageFaults(sources: readonly Source[]): string[] {
  const reached = reachedFrom("mod.ts", sources);
  return sources.filter(({ file }) => reached.has(file)).flatMap(({ file, imports }) =>
    imports.flatMap(({ line, specifier }) =>
      specifier === undefined || /^(?:\.{1,2}\/.*\.(?:ts|html|css|js|svg)|node:.*)$/.test(specifier)
        ? []
        : [`${file}:${line} imports ${specifier}, which a remote module cannot count on`]
    )
  );
}

function zeromqFaults(sources: readonly Source[]): string[] {
  const reached = reachedFrom("mod.ts", sources);
  return sources.flatMap(({ file, code }) => {
    if (!file.startsWith("zmtp/libzmq/")) {
      return linesWith(code, /npm:\/?zeromq|["']zeromq["'/]/).map((line) =>
        `${file}:${line} names npm:zeromq`
      );
    }
    return reached.has(file) ? [`${file}:1 is reached from mod.ts`] : [];
  });
}

/** Files that a file reaches, itself included; programs count only for whoever runs them. */
function reachedFrom(start: string, sources: readonly Source[]): ReadonlySet<string> {
  const reached = new Set([start]);
  for (const file of reached) {
    for (const { target, isProgramPart } of sources.find((source) => source.file === file)?.imports ?? []) {
      if (!isProgramPart) reached.add(target);
    }
  }
  return reached;
}

/** Numbers of the lines that match. */
function linesWith(code: string, pattern: RegExp): number[] {
  return code.split("\n").flatMap((line, i) => pattern.test(line) ? [i + 1] : []);
}

function blanked(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

Deno.test("The house keeps its rules", () => {
  const sources = readHouse(ROOT);
  assert(sources.length > 100);
  const faults = faultsOf(sources);
  assert(faults.length === 0, `\n${faults.join("\n")}`);
});

Deno.test("The documentation of every export is checked, and written by deno task docs", () => {
  const { exports, tasks } = JSON.parse(Deno.readTextFileSync(new URL("deno.json", ROOT)));
  for (const path of Object.values<string>(exports)) {
    const file = path.slice("./".length);
    for (const task of ["check", "docs"]) {
      assert.ok(tasks[task].command.split(" ").includes(file), `deno task ${task} leaves out ${file}`);
    }
  }
});

/** The numbered paths of ARCHITECTURE.md: which files, and what of each. */
function pathsOf(text: string): { title: string; steps: { file: string; symbol: string }[] }[] {
  return text.split(/^### /m).slice(1).map((part) => {
    const section = part.split(/^## /m)[0]!;
    const steps = [...section.matchAll(/^\d\. `([^`]+)`, `([^`]+)`/gm)];
    return {
      title: section.split("\n")[0]!,
      steps: steps.map(([, file, symbol]) => ({ file: file!, symbol: symbol! })),
    };
  });
}

Deno.test("ARCHITECTURE.md tells each path in seven steps at most, a file each, all of which exist", () => {
  const text = Deno.readTextFileSync(new URL("ARCHITECTURE.md", ROOT));
  const paths = pathsOf(text);
  assert.equal(paths.length, 5);
  for (const { title, steps } of paths) {
    assert.ok(steps.length >= 5 && steps.length <= 7, `${title}: ${steps.length} steps`);
    assert.equal(new Set(steps.map(({ file }) => file)).size, steps.length, `${title}: a file comes twice`);
    for (const { file, symbol } of steps) {
      const code = Deno.readTextFileSync(new URL(file, ROOT));
      for (const name of symbol.split(".")) {
        assert.ok(code.includes(name), `${title}: ${file} has no ${name}`);
      }
    }
  }
  for (const [, file] of text.matchAll(/`((?:[a-z_0-9]+\/)+(?:[a-z_0-9]+\.[a-z]+)?)`/g)) {
    assert.ok(Deno.statSync(new URL(file!, ROOT)), file);
  }
});

Deno.test("docs/house.svg shows the rooms and the arrows that there are; deno task house draws it anew", () => {
  const picture = Deno.readTextFileSync(new URL("docs/house.svg", ROOT));
  assert.equal(picture, housePicture(readHouse(ROOT)));
});

Deno.test({ name: "An arrow more is a picture with a line more", permissions: "none" }, () => {
  const house = [readSource("bus/feed.ts", ""), readSource("base/fifo.ts", "")];
  const arrows = (sources: readonly Source[]) => housePicture(sources).match(/marker-end/g)?.length ?? 0;
  assert.equal(arrows(house), 0);
  assert.equal(arrows([...house, readSource("bus/port.ts", 'import "../base/fifo.ts";')]), 1);
});

/** A door that does nothing, and the file behind it: a house without a fault. */
const SOUND = {
  "mod.ts": `/**\n${" * A line.\n".repeat(15)} */\nexport * from "./bus/server.ts";\n`,
  "bus/server.ts": `import "../base/errors.ts";\n`,
  "base/errors.ts": "",
  "programs/broker.ts": "",
};

/** Each made-up house breaks one rule. */
const BROKEN: readonly (readonly [what: string, files: Record<string, string>, faults: readonly RegExp[]])[] =
  [
    ["a circle of values", {
      "bus/a.ts": `\nimport { b } from "./b.ts";\n`,
      "bus/b.ts": `import {\n  a,\n} from "./a.ts";\n`,
    }, [/^bus\/a\.ts:2 imports bus\/b\.ts, bus\/b\.ts:1 imports bus\/a\.ts: a circle$/]],
    ["a circle of types only", {
      "http/a.ts": `import type { B } from "./b.ts";`,
      "http/b.ts": `export type { A } from "./c.ts";`,
      "http/c.ts": `\n\nimport { type A } from "./a.ts";`,
    }, [/^http\/a\.ts:1 .*, http\/b\.ts:1 .*, http\/c\.ts:3 imports http\/a\.ts: a circle$/]],
    ["a circle through an import that comes later", {
      "zmtp/a.ts": `const b = await import("./b.ts");`,
      "zmtp/b.ts": `type A = import("./a.ts").A;`,
    }, [/^zmtp\/a\.ts:1 .*, zmtp\/b\.ts:1 imports zmtp\/a\.ts: a circle$/]],
    ["a circle through a specifier that is made", {
      "zmtp/a.ts": `const b = new URL("./b.ts", import.meta.url).href;\nawait import(b);`,
      "zmtp/b.ts": `import "./a.ts";`,
    }, [/^zmtp\/a\.ts:1 .*, zmtp\/b\.ts:1 imports zmtp\/a\.ts: a circle$/]],
    ["a file that imports itself", { "base/a.ts": `import "./a.ts";` }, [
      /^base\/a\.ts:1 imports base\/a\.ts: a circle$/,
    ]],
    ["an import against the direction", {
      "base/fifo.ts": `\nimport type { Feed } from "../bus/server.ts";`,
    }, [/^base\/fifo\.ts:2 imports bus\/server\.ts; .* may import nothing$/]],
    ["http that knows the wire", { "http/hub.ts": `import "../zmtp/mod.ts";`, "zmtp/mod.ts": "" }, [
      /^http\/hub\.ts:1 imports zmtp\/mod\.ts; .* may import base, bus$/,
    ]],
    ["http and archive that know each other", {
      "http/a.ts": `import "../archive/mod.ts";`,
      "archive/mod.ts": "",
    }, [
      /^http\/a\.ts:1 imports archive\/mod\.ts/,
    ]],
    ["bus that goes around the door of zmtp", {
      "bus/a.ts": `import "../zmtp/frame.ts";`,
      "zmtp/frame.ts": "",
    }, [
      /^bus\/a\.ts:1 imports zmtp\/frame\.ts; .* may import base, zmtp\/mod\.ts$/,
    ]],
    ["a room that imports a program", { "http/a.ts": `await import("../programs/broker.ts");` }, [
      /^http\/a\.ts:1 imports programs\/broker\.ts/,
    ]],
    ["a room that imports a door", { "programs/http.ts": `import "../mod.ts";` }, [
      /^programs\/http\.ts:1 imports the door mod\.ts$/,
    ]],
    ["a door that imports a program when it is only imported", {
      "broker.ts": SOUND["mod.ts"] + `export * from "./programs/broker.ts";`,
    }, [/^broker\.ts:19 imports programs\/broker\.ts outside of its program part$/]],
    ["a path to nowhere", { "bus/a.ts": `import "./gone.ts";` }, [
      /^bus\/a\.ts:1 imports bus\/gone\.ts, which is in no room$/,
    ]],
    ["a module at the top level", { "history.ts": "\n".repeat(20) }, [/^history\.ts:1 is no door/]],
    ["a door with a house in it", { "client.ts": SOUND["mod.ts"] + "\nexport class Client {}\n" }, [
      /^client\.ts:20 does more than a door/,
    ]],
    [
      "a door that is too long",
      { "http.ts": SOUND["mod.ts"].replace("\n", "\n * More.".repeat(50) + "\n") },
      [
        /^http\.ts:1 has \d+ lines, a door has 15 to 60$/,
      ],
    ],
    ["a timer in the engine", { "zmtp/session.ts": "\n".repeat(40) + "setTimeout(() => {}, 1);" }, [
      /^zmtp\/session\.ts:41 does I\/O or reads a clock/,
    ]],
    ["Deno in the engine", { "zmtp/frame.ts": `\nconst conn = await Deno.connect({ port: 1 });` }, [
      /^zmtp\/frame\.ts:2 does I\/O/,
    ]],
    ["a long file without a reason", { "http/gate.ts": "// line\n".repeat(451) }, [
      /^http\/gate\.ts:451 is longer than 450 lines$/,
    ]],
    ["a reason that outlived its file's length", { "bus/old.ts": "" }, [
      /^bus\/old\.ts:1 is short again/,
    ]],
    ["a package in what mod.ts reaches", { "bus/server.ts": `import "npm:fast-check";` }, [
      /^bus\/server\.ts:1 imports npm:fast-check, which a remote module cannot count on$/,
    ]],
    ["a bare name in what mod.ts reaches", { "bus/server.ts": `import fc from "fast-check";` }, [
      /^bus\/server\.ts:1 imports fast-check,/,
    ]],
    ["a module from the web in what mod.ts reaches", {
      "bus/server.ts": `await import("https://example.com/a.ts");`,
    }, [
      /^bus\/server\.ts:1 imports https:\/\/example\.com\/a\.ts,/,
    ]],
    ["libzmq outside of its folder", { "zmtp/pub.ts": `\nconst name = "npm:zeromq@6";` }, [
      /^zmtp\/pub\.ts:2 names npm:zeromq$/,
    ]],
  ];

for (const [what, files, expected] of BROKEN) {
  Deno.test({ name: `The rules find ${what}, with file and line`, permissions: "none" }, () => {
    const house = (files: Record<string, string>) =>
      Object.entries(files).map(([file, text]) => readSource(file, text));
    const faults = faultsOf(house({ ...SOUND, ...files }), { "bus/old.ts": "it was long" });
    assert.equal(faults.length, expected.length, faults.join("\n"));
    for (const [i, pattern] of expected.entries()) assert.match(faults[i]!, pattern);
  });
}

Deno.test({ name: "readSource() sees no import in comments and texts", permissions: "none" }, () => {
  const text = [
    `#!/usr/bin/env -S deno run`,
    `/**`,
    ` * import { a } from "./a.ts"; and import("./b.ts")`,
    ` */`,
    `// import "./c.ts";`,
    `const one = "import('./d.ts')", pattern = /["'/*]/, two = \`\${"\`"} \${{ a: "}" }.a}`,
    `import "./e.ts";`,
    `\`;`,
    `import real from "./f.ts"; /* import "./g.ts" */`,
    `export { type A, b as c } from '../h.ts';`,
  ].join("\n");
  const { imports } = readSource("bus/x.ts", text);
  assert.deepEqual(imports.map(({ line, target }) => [line, target]), [[9, "bus/f.ts"], [10, "h.ts"]]);
});
