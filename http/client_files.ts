/**
 * `GET /client.js` and what it loads: the bus for web pages, as static files. There is no data in them, so they need no token.
 *
 * @module
 */
import { answer } from "./answers.ts";
import client from "./client.js" with { type: "text" };
import types from "./client.d.ts" with { type: "text" };
import hub from "./client/hub.js" with { type: "text" };
import items from "./client/items.js" with { type: "text" };
import jsonParts from "./client/json_parts.js" with { type: "text" };
import link from "./client/link.js" with { type: "text" };
import requests from "./client/requests.js" with { type: "text" };
import wire from "./client/wire.js" with { type: "text" };
import worker from "./client/worker.js" with { type: "text" };
import type { Route } from "./route.ts";

const SCRIPT = "text/javascript; charset=utf-8";
const TYPES = "application/typescript; charset=utf-8";

const FILES: readonly (readonly [path: string, text: string, contentType: string])[] = [
  ["/client.js", client, SCRIPT],
  ["/client.d.ts", types, TYPES],
  ["/client/hub.js", hub, SCRIPT],
  ["/client/items.js", items, SCRIPT],
  ["/client/json_parts.js", jsonParts, SCRIPT],
  ["/client/link.js", link, SCRIPT],
  ["/client/requests.js", requests, SCRIPT],
  ["/client/wire.js", wire, SCRIPT],
  ["/client/worker.js", worker, SCRIPT],
];

/** The routes of the files. */
export const CLIENT_ROUTES: readonly (readonly [path: string, route: Route])[] = FILES.map(
  ([path, text, contentType]) => {
    // Type-aware tools, Deno among them, find the types by this header.
    const headers: [string, string][] = [["content-type", contentType]];
    if (path === "/client.js") headers.push(["x-typescript-types", "./client.d.ts"]);
    const file = () => answer(text, 200, headers);
    return [path, { name: "client", methods: { GET: file, HEAD: file }, isOpen: true }];
  },
);
