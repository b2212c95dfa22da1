/**
 * `GET /client.js` and what it loads: the bus for web pages, as static files. There is no data in them, so they need no token.
 *
 * @module
 */
import { answer, type Header } from "./answers.ts";
import client from "./client.js" with { type: "text" };
import types from "./client.d.ts" with { type: "text" };
import hub from "./client/hub.js" with { type: "text" };
import items from "./client/items.js" with { type: "text" };
import jsonParts from "./client/json_parts.js" with { type: "text" };
import link from "./client/link.js" with { type: "text" };
import requests from "./client/requests.js" with { type: "text" };
import wire from "./client/wire.js" with { type: "text" };
import worker from "./client/worker.js" with { type: "text" };
import { type PageFile, SCRIPT } from "./live_page.ts";
import type { Route } from "./route.ts";

const TYPES = "application/typescript; charset=utf-8";

/** The files, under the paths by which they find each other. */
export const CLIENT_FILES: readonly PageFile[] = [
  { path: "/client.js", text: client, contentType: SCRIPT },
  { path: "/client.d.ts", text: types, contentType: TYPES },
  ...Object.entries({
    hub,
    items,
    json_parts: jsonParts,
    link,
    requests,
    wire,
    worker,
  }).map(([name, text]): PageFile => ({ path: `/client/${name}.js`, text, contentType: SCRIPT })),
];

/** Their routes. Whoever checks types, such as Deno, finds them by a header. */
export const CLIENT_ROUTES: readonly (readonly [path: string, route: Route])[] = CLIENT_FILES.map(
  ({ path, text, contentType }) => {
    const types: Header[] = path === "/client.js" ? [["x-typescript-types", "./client.d.ts"]] : [];
    const file = () => answer(text, 200, [["content-type", contentType], ...types]);
    return [path, { name: "client", methods: { GET: file, HEAD: file }, isOpen: true }];
  },
);
