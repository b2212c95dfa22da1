/**
 * Commands of ours as they are printed: they work as they stand, from where the person is.
 *
 * @module
 */

/** A command that runs one of our programs. Only `read` is allowed to it beside the network of this machine. */
export function printedCommand(
  file: "broker.ts" | "client.ts",
  args: readonly string[],
  read: readonly string[] = [],
): string {
  // Whoever started us by npx has no command deno.
  const isNpx = /[\\/]node_modules[\\/]/.test(Deno.execPath());
  const deno = isNpx ? ["npx", "-y", `deno@${Deno.version.deno}`] : ["deno"];
  const permissions = [
    "--allow-net=127.0.0.1",
    ...(read.length === 0 ? [] : [`--allow-read=${read.join(",")}`]),
  ];
  return [...deno, "run", ...permissions, pathOf(file), ...args].map(quoted).join(" ");
}

/** The name alone where it leads to the file. */
function pathOf(file: string): string {
  const url = new URL(`../${file}`, import.meta.url);
  if (url.protocol !== "file:") return url.href;
  const path = decodeURIComponent(Deno.build.os === "windows" ? url.pathname.slice(1) : url.pathname);
  try {
    return path === `${Deno.cwd().replaceAll("\\", "/")}/${file}` ? file : path;
  } catch {
    return path; // The current folder has been removed.
  }
}

/** As a shell takes it for one word. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
