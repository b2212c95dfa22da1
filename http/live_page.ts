/**
 * The live page: static files. There is no data in them, so they need no token; what the page shows it asks for like any
 * other client.
 *
 * @module
 */
import { answer } from "./answers.ts";
import type { Gate } from "./gate.ts";
import dom from "./page/dom.js" with { type: "text" };
import gateway from "./page/gateway.js" with { type: "text" };
import icon from "./page/icon.svg" with { type: "text" };
import jsonParts from "./page/json_parts.js" with { type: "text" };
import jsonTree from "./page/json_tree.js" with { type: "text" };
import list from "./page/list.js" with { type: "text" };
import page from "./page/page.html" with { type: "text" };
import script from "./page/page.js" with { type: "text" };
import people from "./page/people.js" with { type: "text" };
import plot from "./page/plot.js" with { type: "text" };
import send from "./page/send.js" with { type: "text" };
import status from "./page/status.js" with { type: "text" };
import stream from "./page/stream.js" with { type: "text" };
import style from "./page/page.css" with { type: "text" };
import type { Route } from "./route.ts";

/** Nothing but our own files runs or is shown, nobody frames the page, and it talks to its own gateway only. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const SCRIPT = "text/javascript; charset=utf-8";
const STYLE = "text/css; charset=utf-8";

/** A file that the page loads. */
interface PageFile {
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
    dom,
    gateway,
    "json_parts": jsonParts,
    "json_tree": jsonTree,
    list,
    people,
    plot,
    send,
    status,
    stream,
  }).map(([name, text]): PageFile => ({ path: `/monitor/${name}.js`, text, contentType: SCRIPT })),
];

/** `GET /` and `GET /monitor`. */
export const PAGE: Route = {
  name: "page",
  methods: { GET: livePage, HEAD: livePage },
  isOpen: true,
  isPage: true,
};

/** The routes of the page and of its files. */
export const PAGE_ROUTES: readonly (readonly [path: string, route: Route])[] = [
  ["/", PAGE],
  ["/monitor", PAGE],
  ...PAGE_FILES.map(({ path, text, contentType }): [string, Route] => {
    const file = () => answer(text, 200, [["content-type", contentType]]);
    return [path, { name: "page", methods: { GET: file, HEAD: file }, isOpen: true }];
  }),
];

function livePage(gate: Gate): Response {
  return answer(page.replaceAll("{{prefix}}", gate.settings.prefix), 200, [
    ["content-type", "text/html; charset=utf-8"],
    ["content-security-policy", CONTENT_SECURITY_POLICY],
    ["referrer-policy", "no-referrer"],
    ["cross-origin-opener-policy", "same-origin"],
    ["permissions-policy", "camera=(), geolocation=(), microphone=()"],
    ["x-frame-options", "DENY"],
  ]);
}
