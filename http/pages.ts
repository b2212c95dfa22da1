/**
 * A folder of web pages beside the API, so that they have its origin. Nothing outside the folder is served, whatever the path says
 * and wherever links lead; nor is anything whose name begins with a dot.
 *
 * @module
 */
import { answer, type Header } from "./answers.ts";
import type { Gate } from "./gate.ts";
import { isUnchanged } from "./last_value.ts";
import { pathOf } from "./path.ts";
import { Problem } from "./problem.ts";
import type { Call, Route } from "./route.ts";

const TYPES: Readonly<Record<string, string>> = {
  avif: "image/avif",
  css: "text/css; charset=utf-8",
  csv: "text/csv; charset=utf-8",
  gif: "image/gif",
  htm: "text/html; charset=utf-8",
  html: "text/html; charset=utf-8",
  ico: "image/x-icon",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript; charset=utf-8",
  json: "application/json; charset=UTF-8",
  map: "application/json; charset=UTF-8",
  md: "text/plain; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  pdf: "application/pdf",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
  wasm: "application/wasm",
  webm: "video/webm",
  webp: "image/webp",
  woff2: "font/woff2",
  xml: "application/xml; charset=utf-8",
};

/** The files need no token: a browser that opens a page cannot show one. Links on any site may lead to them. */
export const PAGES: Route = {
  name: "pages",
  methods: { GET: page, HEAD: page },
  isOpen: true,
  isPage: true,
};

/** The folder has a page for its own address, which comes before the live page there. */
export function hasIndex(folder: string): boolean {
  try {
    return Deno.statSync(`${folder}/index.html`).isFile;
  } catch {
    return false;
  }
}

async function page(gate: Gate, { request }: Call): Promise<Response> {
  const { pages: folder, prefix } = gate.settings;
  const path = pathOf(request.url).slice(prefix.length);
  const names = namesIn(path);
  if (folder === undefined || names === undefined) throw notFound();
  try {
    const root = await Deno.realPath(folder);
    const wanted = await pathInside(root, [root, ...names].join("/"));
    const info = await Deno.stat(wanted);
    if (info.isFile && !path.endsWith("/")) return await fileAnswer(request, wanted, info);
    if (!info.isDirectory) throw notFound();
    if (!path.endsWith("/")) return answer(null, 308, [["location", `${prefix}${path}/`]]);
    const index = await pathInside(root, `${wanted}/index.html`);
    return await fileAnswer(request, index, await Deno.stat(index));
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (!isAway(error)) {
      gate.settings.log(`pages: ${error instanceof Error ? error.message : String(error)}`, "pages");
    }
    throw notFound();
  }
}

/** Where a path really leads. */
async function pathInside(root: string, path: string): Promise<string> {
  const real = await Deno.realPath(path);
  const isInside = real === root || real.startsWith(/[\\/]$/.test(root) ? root : `${root}${SEPARATOR}`);
  if (!isInside) throw notFound();
  return real;
}

const SEPARATOR = Deno.build.os === "windows" ? "\\" : "/";

const notFound = () => new Problem("not-found", "Cannot find that path");

/** What is no file there for those who ask, as opposed to a fault. */
function isAway(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    error instanceof Deno.errors.FilesystemLoop;
}

/** The parts of a path; `undefined` when one could mean anything but a file below the folder. */
function namesIn(path: string): readonly string[] | undefined {
  let decoded: string[];
  try {
    decoded = path.split("/").map(decodeURIComponent);
  } catch {
    return undefined;
  }
  const names = decoded.filter((name, i) => name !== "" || (i > 0 && i < decoded.length - 1));
  // deno-lint-ignore no-control-regex -- a name with one is no honest one
  return names.some((name) => name === "" || name.startsWith(".") || /[\\/:\x00-\x1f]/.test(name))
    ? undefined
    : names;
}

async function fileAnswer(request: Request, path: string, info: Deno.FileInfo): Promise<Response> {
  if (!info.isFile) throw notFound();
  const tag = `"${info.size.toString(36)}-${(info.mtime?.getTime() ?? 0).toString(36)}"`;
  const headers: Header[] = [
    // Kept, but asked for again each time: whoever writes a page sees what was saved last.
    ["cache-control", "no-cache"],
    ["etag", tag],
  ];
  if (info.mtime !== null) headers.push(["last-modified", info.mtime.toUTCString()]);
  if (isUnchanged(request, tag)) return answer(null, 304, headers);
  const extension = /\.(\w+)$/.exec(path)?.[1]?.toLowerCase() ?? "";
  const type = Object.hasOwn(TYPES, extension) ? TYPES[extension]! : "application/octet-stream";
  headers.push(["content-type", type], ["content-length", String(info.size)]);
  if (request.method === "HEAD") return answer(null, 200, headers);
  const file = await Deno.open(path);
  return answer(file.readable, 200, headers);
}
