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
  const permissions = [
    "--allow-net=127.0.0.1",
    ...(read.length === 0 ? [] : [`--allow-read=${read.join(",")}`]),
  ];
  return [denoCommand(), ...["run", ...permissions, pathOf(file), ...args].map(quoted)].join(" ");
}

/** What starts Deno here. Whoever started us by npx has no command deno. */
export function denoCommand(): string {
  const isNpx = /[\\/]node_modules[\\/]/.test(Deno.execPath());
  return isNpx ? `npx -y deno@${Deno.version.deno}` : "deno";
}

/** Where a program of ours is, from anywhere. */
export function programPath(file: string): string {
  const url = new URL(`../${file}`, import.meta.url);
  if (url.protocol !== "file:") return url.href;
  return decodeURIComponent(Deno.build.os === "windows" ? url.pathname.slice(1) : url.pathname);
}

/** The name alone where it leads to the file. */
function pathOf(file: string): string {
  const path = programPath(file);
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
