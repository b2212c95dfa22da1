// Messages from before those that the page has, as far as the gateway still holds them.

import { parseHistory } from "../client/items.js";
import { byId } from "./dom.js";
import { ask, BASE } from "./gateway.js";

const link = byId("range-recorded");

const LIMIT = 500;
const DEADLINE_MS = 20_000;
const NOTHING = "Nothing older is held.";

/** Those in front of a place, oldest first, as `items`; or a `note` that says why there are none. */
export async function fetchEarlier(place) {
  try {
    const path = `/messages/history?before=${encodeURIComponent(place)}&limit=${LIMIT}`;
    const { isOk, status, text } = await ask(path, DEADLINE_MS);
    if (!isOk) return { note: status === 503 ? NOTHING : "The gateway does not give older ones." };
    const { items, missed, hasMore } = parseHistory(text);
    if (items.length > 0 || hasMore) return { items, hasMore, note: "" };
    return { note: missed === null ? "The broker was started anew: nothing older is held." : NOTHING };
  } catch {
    return { note: "The gateway does not answer." };
  }
}

/** Where an archive has what came before this moment, a link leads there, on the Sessions page. */
export async function showRecorded(time) {
  const moment = new Date(time).toISOString();
  try {
    const { isOk, text } = await ask(`/sessions?limit=1&to=${moment}`, DEADLINE_MS);
    const session = isOk ? JSON.parse(text).sessions[0] : undefined;
    if (session === undefined) return;
    link.href = `${BASE}monitor/sessions#session=${session.id}&time=${moment}`;
    link.hidden = false;
  } catch {
    // Others tell that the gateway does not answer.
  }
}

export function hideRecorded() {
  link.hidden = true;
}
