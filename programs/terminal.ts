/**
 * What stdout is: a terminal with colours and a width, or a file or pipe that gets everything as it is.
 *
 * @module
 */

/** How to write for somebody. */
export interface Look {
  /** Columns of a terminal; undefined where lines may have any length. */
  readonly columns: number | undefined;
  /** May there be colours? */
  readonly colors: boolean;
}

/** Where nobody looks. */
export const PLAIN: Look = { columns: undefined, colors: false };

/** How stdout looks. A person who makes the window wider sees it in the next line. */
export function lookOfStdout(): Look {
  if (!Deno.stdout.isTerminal()) return PLAIN;
  return { columns: columns(), colors: hasColors() };
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}

/** NO_COLOR costs no permission: Deno itself reads it. Any other variable is read only where that was allowed. */
function hasColors(): boolean {
  return !Deno.noColor && environment("TERM") !== "dumb";
}

/** The value of an environment variable where the sandbox lets us read it without asking anybody; undefined elsewhere. */
export function environment(variable: string): string | undefined {
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return undefined;
  return Deno.env.get(variable) || undefined;
}

/** What a colour is for. */
export type Role = "time" | "type" | "key" | "text" | "number" | "word" | "good" | "bad";

const CODES: Readonly<Record<Role, number>> = {
  time: 2,
  type: 1,
  key: 36,
  text: 32,
  number: 33,
  word: 35,
  good: 32,
  bad: 31,
};

/** The text in the colour of its role. */
export function colored(text: string, role: Role, { colors }: Look): string {
  return colors ? `\x1b[${CODES[role]}m${text}\x1b[0m` : text;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
const NARROW = /\p{M}|\u200b|\u200d/u;

/** The columns that a character takes. */
function widthOf(character: string): number {
  if (character < "\u0300") return 1;
  return WIDE.test(character) ? 2 : NARROW.test(character) ? 0 : 1;
}

/** The text in so many columns; what is cut is told by a dot dot dot. Looks at no more of it than it shows. */
export function shortened(text: string, columns: number): string {
  let [width, at, end] = [0, 0, 0];
  for (const character of text) {
    width += widthOf(character);
    if (width > columns) return `${text.slice(0, end)}…`;
    at += character.length;
    if (width < columns) end = at;
  }
  return text;
}

const DEFAULT_COLUMNS = 80;
