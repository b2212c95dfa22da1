/**
 * What a mutant is: the code with one thing wrong in it, that some test or some simulated world must notice.
 *
 * @module
 */

/** One breakage. */
export interface Mutant {
  /** `<file without its ending> <what is wrong>`. */
  readonly name: string;
  /** The file that it breaks. */
  readonly file: string;
  /** Stands in that file exactly once. */
  readonly find: string;
  /** What stands there instead. */
  readonly replace: string;
  /** What must notice, cheapest first: files of tests, or simulated worlds such as `seeds 1-20`. */
  readonly killers: readonly string[];
}

/** Mutants of one file: what is wrong, what stands there, what stands there instead. */
export function mutantsOf(
  file: string,
  killers: readonly string[],
  changes: readonly (readonly [wrong: string, find: string, replace: string, ...more: string[]])[],
): readonly Mutant[] {
  const noun = file.replace(/^.*\/|\.ts$/g, "");
  return changes.map(([wrong, find, replace, ...more]) => (
    { name: `${noun}: ${wrong}`, file, find, replace, killers: [...killers, ...more] }
  ));
}

/**
 * The text of the file with its mutant in it.
 *
 * @throws {Error} If the code has moved: the pattern is not there, or more than once.
 */
export function mutate(text: string, { name, file, find, replace }: Mutant): string {
  const at = text.indexOf(find);
  if (at < 0) throw new Error(`${name}: ${file} has no ${JSON.stringify(find)} any more`);
  if (text.indexOf(find, at + 1) >= 0) {
    throw new Error(`${name}: ${file} has more than one ${JSON.stringify(find)}`);
  }
  if (find === replace) throw new Error(`${name}: it changes nothing`);
  return text.slice(0, at) + replace + text.slice(at + find.length);
}

/** Copies the project, without what is hidden. */
export async function copyProject(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (name.startsWith(".") || name === "node_modules") continue;
    if (isDirectory) await copyProject(new URL(`${name}/`, from), `${to}/${name}`);
    else if (isFile) await Deno.copyFile(new URL(name, from), `${to}/${name}`);
  }
}
