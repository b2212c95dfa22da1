/**
 * The monitor page: four static files. There is no data in them, so they need no token; what the page shows it asks for like
 * any other client.
 *
 * @module
 */
import { answer } from "./answers.ts";
import type { Gate } from "./gate.ts";
import icon from "./page/icon.svg" with { type: "text" };
import page from "./page/page.html" with { type: "text" };
import script from "./page/page.js" with { type: "text" };
import style from "./page/page.css" with { type: "text" };

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

/** `GET /` and `GET /monitor`. */
export function monitorPage(gate: Gate): Response {
  return answer(page.replaceAll("{{prefix}}", gate.settings.prefix), 200, [
    ["content-type", "text/html; charset=utf-8"],
    ["content-security-policy", CONTENT_SECURITY_POLICY],
    ["referrer-policy", "no-referrer"],
    ["cross-origin-opener-policy", "same-origin"],
    ["permissions-policy", "camera=(), geolocation=(), microphone=()"],
    ["x-frame-options", "DENY"],
  ]);
}

/** `GET /monitor/page.js`. */
export function monitorScript(): Response {
  return answer(script, 200, [["content-type", "text/javascript; charset=utf-8"]]);
}

/** `GET /monitor/page.css`. */
export function monitorStyle(): Response {
  return answer(style, 200, [["content-type", "text/css; charset=utf-8"]]);
}

/** `GET /monitor/icon.svg`. */
export function monitorIcon(): Response {
  return answer(icon, 200, [["content-type", "image/svg+xml"]]);
}
