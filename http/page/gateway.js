// How the page asks its gateway: with the token where one is needed.

import { ask as askGateway, askBlob as fetchBlob } from "../client/requests.js";
import { byId, setText } from "./dom.js";

/** Where the gateway is; a prefix included. */
export const BASE = new URL(`${document.documentElement.dataset.prefix}/`, location.href).href;
const TOKEN_KEY = "message-bus-token";

let token = sessionStorage.getItem(TOKEN_KEY) ?? "";
const form = byId("token-form");

/** The token; empty where there is none. */
export const currentToken = () => token;

/** Like `fetch` of a path of the gateway, with a deadline. */
export const ask = (path, deadlineMs, init = {}) => watched(askGateway, path, deadlineMs, init);

/** What a path holds, as bytes; throws when the gateway refuses it. */
export async function askBlob(path, deadlineMs) {
  const { status, isOk, blob } = await watched(fetchBlob, path, deadlineMs, {});
  if (!isOk) throw new Error(`status ${status}`);
  return blob;
}

async function watched(how, path, deadlineMs, init) {
  const answer = await how({ base: BASE, token }, path.slice(1), deadlineMs, init);
  if (answer.status === 401) askForToken();
  return answer;
}

/** True while the page waits for a person to type the token. */
export const needsToken = () => !form.hidden;

/** The gateway wants another token. */
export function askForToken() {
  if (!form.hidden) return;
  setText(byId("token-note"), token === "" ? "" : "The gateway does not take this token.");
  form.hidden = false;
  byId("token").focus();
}

/** The token may stand behind the #, which goes to no server; it does not stay in the address bar either. */
function takeTokenFromAddress() {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash)?.[1];
  if (found === undefined) return;
  setToken(decodeURIComponent(found));
  history.replaceState(null, "", location.pathname + location.search);
}

function setToken(value) {
  token = value;
  sessionStorage.setItem(TOKEN_KEY, token);
}

/** Calls back whenever there is another token to try. */
export function watchToken(listener) {
  takeTokenFromAddress();
  addEventListener("hashchange", () => {
    takeTokenFromAddress();
    listener();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    setToken(byId("token").value.trim());
    byId("token").value = "";
    form.hidden = true;
    listener();
  });
}
