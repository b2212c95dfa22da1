/**
 * docs/programs.md, whose lists of options are what the programs print with `--help`.
 * As a program it writes them anew.
 */
import { fileURLToPath } from "node:url";
import { run } from "./program.ts";

/** The page. */
export const PROGRAMS_PAGE: string = fileURLToPath(new URL("../../docs/programs.md", import.meta.url));

/** The page with the options as they are now: each text stands below the name of its program or command. */
export async function withOptions(page: string): Promise<string> {
  const parts = page.split(/^(?=###? )/m);
  const written = parts.map(async (part) => {
    const program = part.match(/^###? (\S+\.ts(?: \S+)?)$/m)?.[1];
    if (program === undefined) return part;
    const { stdout } = await run([...program.split(" "), "--help"], { permission: "" });
    return part.replace(/^```text\n[\s\S]*?^```$/m, () => `\`\`\`text\n${stdout}\`\`\``);
  });
  return (await Promise.all(written)).join("");
}

if (import.meta.main) {
  Deno.writeTextFileSync(PROGRAMS_PAGE, await withOptions(Deno.readTextFileSync(PROGRAMS_PAGE)));
}
