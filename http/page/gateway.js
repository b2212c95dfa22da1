// How the page asks its gateway: with the token where one is needed, and never for longer than a deadline.

import { byId, setText } from "./dom.js";

const PREFIX = document.documentElement.dataset.prefix;
const TOKEN_KEY = "message-bus-token";

let token = sessionStorage.getItem(TOKEN_KEY) ?? "";
const form = byId("token-form");

/**
 * Like `fetch`. The deadline covers the body too. Browsers open six connections to one host for all tabs together, so a
 * question without an end would in time stop them all.
 */
export function ask(path, deadlineMs, init = {}) {
  return request(path, deadlineMs, init, async (response) => {
    const text = await response.text();
    return { status: response.status, isOk: response.ok, text };
  });
}

/** What a path holds, as bytes; throws when the gateway refuses it. */
export function askBlob(path, deadlineMs) {
  return request(path, deadlineMs, {}, (response) => {
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.blob();
  });
}

async function request(path, deadlineMs, init, use) {
  const headers = { ...init.headers, ...(token === "" ? {} : { authorization: `Bearer ${token}` }) };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), deadlineMs);
  try {
    const response = await fetch(PREFIX + path, {
      ...init,
      headers,
      cache: "no-store",
      signal: controller.signal,
    });
    const result = await use(response);
    if (response.status === 401) askForToken();
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** A WebSocket cannot send headers: its token stands among the subprotocols. */
export function openSocket(path, protocol) {
  const url = new URL(PREFIX + path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const bearer = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return new WebSocket(url, token === "" ? [protocol] : [protocol, `bearer.${bearer}`]);
}

/** True while the page waits for a person to type the token. */
export const needsToken = () => !form.hidden;

function askForToken() {
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
  history.replaceState(null, "", location.pathname);
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
