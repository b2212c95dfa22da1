/**
 * A page that somebody wrote, for tests of /client.js: `bus` is a global of it, and `heard` what it was told.
 */

/** What the page has in its global scope. */
export interface PageScope {
  readonly heard: readonly string[];
  readonly bus: {
    readonly state: string;
    readonly place: string | undefined;
    readonly ready: Promise<void>;
    send(message: unknown): Promise<{ readonly seq: number; readonly isConfirmed: boolean }>;
    current(...types: string[]): Promise<readonly { readonly message: unknown }[]>;
    on(type: string, listener: (message: Record<string, unknown>) => void): () => void;
    close(): void;
  };
}

/** The page; the query of its address may hold `options`, as JSON. `from` is where it gets client.js. */
export function pageHtml(from = ""): string {
  return `<!DOCTYPE html><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,"><script type="module">
import { connect } from "${from}/client.js";
globalThis.scope = globalThis;
globalThis.heard = [];
globalThis.bus = connect(JSON.parse(new URLSearchParams(location.search).get("options") ?? "{}"));
bus.addEventListener("message", (event) => heard.push(event.text));
bus.addEventListener("gap", ({ missed, reason }) => heard.push("gap " + missed + " " + reason));
</script>`;
}

/** Its address, with these options. */
export function pageUrl(url: string, options: Record<string, unknown> = {}): string {
  return `${url}/page.html?options=${encodeURIComponent(JSON.stringify(options))}`;
}

/** A folder with the page, for `--pages`. */
export async function pageFolder(from = ""): Promise<{ readonly folder: string } & AsyncDisposable> {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/page.html`, pageHtml(from));
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}
