/**
 * The live page: static files. There is no data in them, so they need no token; what the page shows it asks for like any
 * other client.
 *
 * @module
 */
import { answer } from "./answers.ts";
import type { Gate } from "./gate.ts";
import icon from "./page/icon.svg" with { type: "text" };
import page from "./page/page.html" with { type: "text" };
import script from "./page/page.js" with { type: "text" };
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
  { path: "/monitor/page.js", text: script, contentType: SCRIPT },
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
