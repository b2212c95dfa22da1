// The bus of the page: the one of /client.js, with the newest messages from before.

import { connect } from "../client.js";
import { askForToken, BASE, currentToken, needsToken } from "./gateway.js";

/** Messages from before the page was opened that are fetched at most. */
const MAX_EARLIER = 2000;

const STATES = {
  connecting: () => ["wait", "connecting …"],
  live: () => ["good", "live"],
  away: () => ["bad", needsToken() ? "token needed" : "gateway away, reconnecting …"],
  unauthorized: () => ["bad", "token needed"],
};

let bus;

/**
 * Starts, or starts anew where it was, with another token. Calls `message(event)`, `gap(event)` and `state(state, text)` of `on`.
 */
export function startBus(on) {
  const since = bus?.place ?? { last: MAX_EARLIER };
  const before = bus;
  const mine = bus = connect({ url: BASE, token: currentToken(), since });
  before?.close();
  const showState = () => {
    if (mine !== bus) return;
    if (mine.state === "unauthorized") askForToken();
    on.state(...STATES[mine.state]());
  };
  bus.addEventListener("message", on.message);
  bus.addEventListener("gap", on.gap);
  bus.addEventListener("state", showState);
  showState();
}

/** Sends a text as it stands; see /client.d.ts. */
export const sendText = (text) => bus.send(text);
