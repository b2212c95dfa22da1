/** Reads what a file imports out of its text: for the rules of the house, and for the picture of it. */

/** One import or re-export, be it of values or types only, at the start or later. */
export interface Import {
  readonly line: number;
  /** As it stands there; undefined when only the running program knows it. */
  readonly specifier: string | undefined;
  /** A file of the project by its path, anything else as it stands there, `?` when only the running program knows it. */
  readonly target: string;
  /** Behind `import.meta.main`: only when the file is the program. */
  readonly isProgramPart: boolean;
}

/** A file of the project. */
export interface Source {
  readonly file: string;
  readonly lineCount: number;
  /** The text without its comments; lines keep their numbers. */
  readonly code: string;
  readonly imports: readonly Import[];
}

/** The rooms, and the top level, which is `""`. */
export const ROOMS = ["", "base", "zmtp", "bus", "http", "archive", "backbone", "programs"] as const;

/** The room that a file is in: its first folder. */
export function roomOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : "";
}

/** Every script of the rooms. */
export function readHouse(root: URL): Source[] {
  return ROOMS.flatMap((room) => filesIn(root, room, room !== "")).sort().map((file) =>
    readSource(file, Deno.readTextFileSync(new URL(file, root)))
  );
}

/** The scripts in a folder, by their paths. */
export function filesIn(root: URL, folder: string, deep: boolean): string[] {
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(new URL(`./${folder}`, root))];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return entries.flatMap(({ name, isDirectory }) => {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (isDirectory) return deep ? filesIn(root, path, true) : [];
    return /\.(ts|js)$/.test(name) ? [path] : [];
  });
}

const ROOT = "file:///";

/** What a file with this text imports. */
export function readSource(file: string, text: string): Source {
  const { code, bare } = blank(text);
  const programAt = bare.indexOf("if (import.meta.main)");
  const imports: Import[] = [];
  const add = (index: number, specifier: string | undefined) =>
    imports.push({
      line: lineOf(code, index),
      specifier,
      target: specifier?.startsWith(".")
        ? new URL(specifier, ROOT + file).href.slice(ROOT.length)
        : specifier ?? "?",
      isProgramPart: programAt >= 0 && index > programAt,
    });
  // Found where texts are blank, so that a text about imports is none; read where they are not.
  const textAt = (index: number) => /^["'`]([^"'`]*)/.exec(code.slice(index))?.[1];
  const statement = /^[ \t]*(?:import|export)\b(?:[\w\s*,$]|\{[^}]*\})*?\bfrom\s*(?=["'])/gm;
  for (const { index, 0: match } of bare.matchAll(statement)) {
    const keyword = index + match.search(/\S/);
    add(keyword, textAt(index + match.length));
  }
  for (const { index, 0: match } of bare.matchAll(/^[ \t]*import\s*(?=["'])/gm)) {
    add(index + match.search(/\S/), textAt(index + match.length));
  }
  for (const { index, 0: match } of bare.matchAll(/\bimport\s*\(\s*/g)) {
    const at = index + match.length;
    const isLiteral = /^(["'`]) *\1/.test(bare.slice(at)) && !/^`[^`]*\$\{/.test(code.slice(at));
    add(index, isLiteral ? textAt(at) : undefined);
  }
  // The other half of an import that is not written as a literal.
  for (const { index, 0: match } of bare.matchAll(/\bnew URL\(\s*(?=["'] *["']\s*,\s*import\.meta\.url)/g)) {
    const specifier = textAt(index + match.length)!;
    if (/\.(ts|js)$/.test(specifier)) add(index, specifier);
  }
  imports.sort((a, b) => a.line - b.line);
  return { file, lineCount: text.trimEnd().split("\n").length, code, imports };
}

/** The number of the line that an index is in. */
export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** The text with blanks for its comments, and with blanks for what is inside of its literals, too. */
function blank(text: string): { readonly code: string; readonly bare: string } {
  let code = "", bare = "";
  /** How many braces are open in each `${` that we are in. */
  const holes: number[] = [];
  let at = 0;
  const spaces = (part: string) => part.replace(/[^\n]/g, " ");
  const take = (length: number, inCode: boolean, inBare: boolean) => {
    const part = text.slice(at, at + length);
    code += inCode ? part : spaces(part);
    bare += inBare ? part : spaces(part);
    at += length;
  };
  const literal = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const length = pattern.exec(text)?.[0].length ?? text.length - at;
    take(1, true, true);
    take(length - 2, true, false);
    take(1, true, true);
  };
  /** From a backtick, or from the end of a hole, to the next hole or the other backtick. */
  const template = () => {
    take(1, true, true);
    const end = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;
    end.lastIndex = at;
    take(end.exec(text)![0].length, true, false);
    if (text[at] === "$") {
      take(2, true, true);
      holes.push(0);
    } else take(1, true, true);
  };
  while (at < text.length) {
    const char = text[at]!, pair = text.slice(at, at + 2);
    if (pair === "//" || (at === 0 && pair === "#!")) {
      take(/.*/y.exec(text.slice(at))![0].length, false, false);
    } else if (pair === "/*") take(text.indexOf("*/", at) + 2 - at, false, false);
    else if (char === '"') literal(/"(?:[^"\\\n]|\\[\s\S])*"/y);
    else if (char === "'") literal(/'(?:[^'\\\n]|\\[\s\S])*'/y);
    else if (char === "`") template();
    else if (
      char === "/" && /(?:^|[-(,=:[!&|?{};+*%~^<>]|\b(?:return|typeof|case|of|in))\s*$/.test(bare.slice(-40))
    ) {
      literal(/\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\//y);
    } else if (char === "}" && holes.at(-1) === 0) {
      holes.pop();
      template();
    } else {
      if (holes.length > 0 && char === "{") holes[holes.length - 1]!++;
      if (holes.length > 0 && char === "}") holes[holes.length - 1]!--;
      take(1, true, true);
    }
  }
  return { code, bare };
}
