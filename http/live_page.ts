/**
 * The live page: static files. There is no data in them, so they need no token; what the page shows it asks for like any
 * other client.
 *
 * @module
 */
import { answer } from "./answers.ts";
import type { Gate } from "./gate.ts";
import anchor from "./page/anchor.js" with { type: "text" };
import bus from "./page/bus.js" with { type: "text" };
import dom from "./page/dom.js" with { type: "text" };
import earlier from "./page/earlier.js" with { type: "text" };
import gapText from "./page/gap_text.js" with { type: "text" };
import empty from "./page/empty.js" with { type: "text" };
import entries from "./page/entries.js" with { type: "text" };
import entryBody from "./page/entry_body.js" with { type: "text" };
import filter from "./page/filter.js" with { type: "text" };
import now from "./page/now.js" with { type: "text" };
import numberPlot from "./page/number_plot.js" with { type: "text" };
import pictures from "./page/pictures.js" with { type: "text" };
import save from "./page/save.js" with { type: "text" };
import snippets from "./page/snippets.js" with { type: "text" };
import unread from "./page/unread.js" with { type: "text" };
import gateway from "./page/gateway.js" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import jsonTree from "./page/json_tree.js" with { type: "text" };
import list from "./page/list.js" with { type: "text" };
import page from "./page/page.html" with { type: "text" };
import script from "./page/page.js" with { type: "text" };
import people from "./page/people.js" with { type: "text" };
import plot from "./page/plot.js" with { type: "text" };
import send from "./page/send.js" with { type: "text" };
import sites from "./page/sites.js" with { type: "text" };
import status from "./page/status.js" with { type: "text" };
import style from "./page/page.css" with { type: "text" };
import type { Route } from "./route.ts";

/** Nothing but our own files runs or is shown, nobody frames the page, and it talks to its own gateway only. */
const contentSecurityPolicy = (images: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${images}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");

/** Content type of a script. */
export const SCRIPT = "text/javascript; charset=utf-8";
/** Content type of a style sheet. */
export const STYLE = "text/css; charset=utf-8";

/** A file that the page loads. */
export interface PageFile {
  readonly path: string;
  readonly text: string;
  readonly contentType: string;
}

/** All that the page loads, under the paths it knows. */
export const PAGE_FILES: readonly PageFile[] = [
  { path: "/monitor/icon.svg", text: icon, contentType: "image/svg+xml" },
  { path: "/monitor/page.css", text: style, contentType: STYLE },
  ...Object.entries({
    "page": script,
    anchor,
    bus,
    dom,
    earlier,
    empty,
    "gap_text": gapText,
    entries,
    "entry_body": entryBody,
    filter,
    now,
    "number_plot": numberPlot,
    pictures,
    save,
    snippets,
    unread,
    gateway,
    "json_tree": jsonTree,
    list,
    people,
    plot,
    send,
    sites,
    status,
  }).map(([name, text]): PageFile => ({ path: `/monitor/${name}.js`, text, contentType: SCRIPT })),
];

/** `GET /` and `GET /monitor`. */
export const PAGE: Route = pageRoute("page", page, "'self' data:");

/** The routes of the page and of its files. */
export const PAGE_ROUTES: readonly (readonly [path: string, route: Route])[] = [
  ["/", PAGE],
  ["/monitor", PAGE],
  ...PAGE_FILES.map(fileRoute),
];

/** The route of a page. It holds no data, so it needs no token. `images` is where it may take them from. */
export function pageRoute(name: string, text: string, images: string): Route {
  const policy = contentSecurityPolicy(images);
  const respond = (gate: Gate) =>
    answer(text.replaceAll("{{prefix}}", gate.settings.prefix), 200, [
      ["content-type", "text/html; charset=utf-8"],
      ["content-security-policy", policy],
      ["referrer-policy", "no-referrer"],
      ["cross-origin-opener-policy", "same-origin"],
      ["permissions-policy", "camera=(), geolocation=(), microphone=()"],
      ["x-frame-options", "DENY"],
    ]);
  return { name, methods: { GET: respond, HEAD: respond }, isOpen: true, isPage: true };
}

/** The route of a file of a page. */
export function fileRoute({ path, text, contentType }: PageFile): readonly [path: string, route: Route] {
  const file = () => answer(text, 200, [["content-type", contentType]]);
  return [path, { name: "page", methods: { GET: file, HEAD: file }, isOpen: true }];
}
