/** The code in README.md and docs/*.md, and which of it cannot simply be run. */
import { ROOT } from "../support/program.ts";

/** A piece of code between ``` and ```. */
export interface Block {
  /** `README.md`, `docs/http.md`. */
  readonly file: string;
  /** The heading that it stands under. */
  readonly heading: string;
  readonly language: string;
  readonly text: string;
}

/** Languages that are nothing to run. */
export const NO_CODE: readonly string[] = ["text", "json"];

/** Code that is not run by `documents_test.ts`, and why; where another test shows it, its file. */
export const ELSEWHERE: readonly {
  readonly file: string;
  /** What the code holds. */
  readonly with: string;
  readonly why: string;
  readonly test?: string;
}[] = [
  {
    file: "README.md",
    with: "task ok",
    why: "it runs this test; its parts are run",
    test: "tests/readme_test.ts",
  },
  { file: "README.md", with: "alias deno", why: "it prints nothing; the runner says what deno is" },
  {
    file: "README.md",
    with: "--public",
    why: "it opens the machine's network",
    test: "tests/readme_test.ts",
  },
  {
    file: "README.md",
    with: "tcp://HOST:PORT",
    why: "it needs the keys of the block before",
    test: "tests/readme_test.ts",
  },
  {
    file: "README.md",
    with: "<!DOCTYPE html>",
    why: "a browser runs it",
    test: "tests/http/browser/examples.ts",
  },
  {
    file: "docs/http.md",
    with: "<script",
    why: "a browser runs one like it",
    test: "tests/http/browser/examples.ts",
  },
  {
    file: "docs/curve.md",
    with: "--curve-keygen",
    why: "its broker has keys",
    test: "tests/readme_test.ts",
  },
  {
    file: "docs/curve.md",
    with: "zmq.auth",
    why: "its broker has keys",
    test: "tests/zmtp/curve_interop_test.ts",
  },
  { file: "docs/performance.md", with: "task bench", why: "it takes minutes, and measures" },
  {
    file: "docs/running.md",
    with: "systemctl",
    why: "it changes the machine",
    test: "tests/running_test.ts",
  },
  { file: "docs/running.md", with: "docker", why: "it downloads an image", test: "tests/running_test.ts" },
  { file: "docs/running.md", with: "--open", why: "it opens a browser", test: "tests/running_test.ts" },
  {
    file: "docs/running.md",
    with: "task start",
    why: "it takes the usual ports",
    test: "tests/running_test.ts",
  },
  {
    file: "docs/many-machines.md",
    with: "--backbone",
    why: "it needs a NATS server",
    test: "tests/backbone/docs_test.ts",
  },
  {
    file: "docs/security.md",
    with: "leak.ts",
    why: "it shows what Deno itself leaks, for those who mend it",
  },
  { file: "docs/security.md", with: "Deno.serve", why: "the same" },
  {
    file: "docs/sessions.md",
    with: "/sessions?q=",
    why: "it needs recorded sessions",
    test: "tests/http/sessions/contents_test.ts",
  },
  {
    file: "docs/terminal.md",
    with: "bus ",
    why: "it needs the command bus",
    test: "tests/terminal_docs_test.ts",
  },
  { file: "docs/testing.md", with: "task mutants", why: "it takes minutes" },
  {
    file: "docs/testing.md",
    with: "task simulate",
    why: "it takes minutes",
    test: "tests/simulation_test.ts",
  },
];

/** All code of a document. */
export function blocksOf(file: string): Block[] {
  const blocks: Block[] = [];
  let heading = "";
  const document = Deno.readTextFileSync(`${ROOT}${file}`);
  for (
    const [, title, language, text] of document.matchAll(/^#+ (.*)$|^```(\w+)(?: .*)?\n([\s\S]*?)^```$/gm)
  ) {
    if (title !== undefined) heading = title;
    else blocks.push({ file, heading, language: language!, text: text! });
  }
  return blocks;
}

/** README.md and docs/*.md. */
export const DOCUMENTS: readonly string[] = [
  "README.md",
  ...[...Deno.readDirSync(`${ROOT}docs`)].map(({ name }) => `docs/${name}`)
    .filter((name) => name.endsWith(".md")).toSorted(),
];

/** The commands of a shell block. What stands behind # is for people. */
export function commandsOf(text: string): string[] {
  return text.replaceAll(/\\\n\s*/g, "").trim().split("\n")
    .map((line) => line.replace(/\s+# .*/, "")).filter((line) => line !== "" && !line.startsWith("#"));
}
