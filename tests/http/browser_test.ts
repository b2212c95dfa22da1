/**
 * All tests in a browser. Each file of tests is a process of its own to Deno; these are read from one file, so that all of them
 * share one Chromium. A single one is run by its path: `deno test -P=test tests/http/browser/page.ts`.
 */
for (const { name } of [...Deno.readDirSync(new URL("./browser/", import.meta.url))].sort(byName)) {
  await import(`./browser/${name}`);
}

function byName(a: Deno.DirEntry, b: Deno.DirEntry): number {
  return a.name < b.name ? -1 : 1;
}
