// What is valid now: the newest subject, sample and variables, as the gateway tells them.

import { memberOf, partsAfter } from "../client/json_parts.js";
import { byId, clockText, element, fullTimeText, hueOf } from "./dom.js";
import { ask } from "./gateway.js";

const EVERY_MS = 1000;
const DEADLINE_MS = 5000;
const MAX_ROWS = 20;
const PREVIEW_LENGTH = 300;
let isDue = true;
let isAsking = false;
let drawn = "";

/** A message came: something else may be valid. */
export const noteValue = () => isDue = true;

async function poll() {
  if (!isDue || isAsking || document.hidden) return;
  isDue = false;
  isAsking = true;
  try {
    const { isOk, text } = await ask("/messages/state", DEADLINE_MS);
    if (isOk) draw(memberOf(text, "values"));
  } catch {
    isDue = true;
  } finally {
    isAsking = false;
  }
}

function draw(list) {
  if (list === drawn) return;
  drawn = list;
  const { parts } = list === "[]" ? { parts: [] } : partsAfter(list, 0, MAX_ROWS);
  const rows = parts.map(({ start, end }) => rowOf(list.slice(start, end)));
  byId("now").hidden = rows.length === 0;
  byId("now-rows").replaceChildren(...rows);
}

function rowOf(value) {
  const type = JSON.parse(memberOf(value, "type"));
  const time = Number(memberOf(value, "time"));
  const target = memberOf(value, "target");
  const row = element("div");
  const name = element("dt");
  const badge = element("span", "type", type);
  badge.style.setProperty("--hue", hueOf(type));
  name.append(badge);
  const what = element("dd", "text", contentOf(memberOf(value, "message"), type));
  const when = element("dd", "time", clockText(time));
  when.title = fullTimeText(time);
  row.append(name, what, when);
  if (target !== "null") row.append(element("dd", "more-of-it", `for ${target}`));
  return row;
}

/** The member that is named like the type says it all. */
function contentOf(message, type) {
  return (memberOf(message, type) ?? message).slice(0, PREVIEW_LENGTH);
}

export function startNow() {
  setInterval(poll, EVERY_MS);
  poll();
}
