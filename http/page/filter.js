// Which messages are shown: by type, by text, and by who sent them, as far as they say it. The address of the page says so too, so
// that it can be kept and passed on.

import { memberOf } from "../client/json_parts.js";
import { byId } from "./dom.js";

/** Where a message names its sender; the first that is there counts. */
const SENDERS = ["application", "source_id", "source", "pid"];
const NAMES = { type: "filter-type", text: "filter", from: "filter-from" };
const typeBox = byId(NAMES.type);
const textBox = byId(NAMES.text);
const fromBox = byId(NAMES.from);

/** Does a message pass? Gaps always do. */
export function passes(entry) {
  if (entry.isGap) return true;
  if (typeBox.value !== "" && entry.type !== typeBox.value) return false;
  const text = textBox.value.toLowerCase();
  if (text !== "" && !entry.text.toLowerCase().includes(text)) return false;
  const from = fromBox.value.toLowerCase();
  return from === "" || senderOf(entry).toLowerCase().includes(from);
}

export const isFiltering = () => [typeBox, textBox, fromBox].some((box) => box.value !== "");

/** Who sent a message, if it says so. */
export function senderOf(entry) {
  if (entry.sender !== undefined) return entry.sender;
  let sender = "";
  for (const name of SENDERS) {
    const value = memberOf(entry.text, name);
    if (value === undefined || value === '""' || value === "null") continue;
    sender = value[0] === '"' ? JSON.parse(value) : value;
    break;
  }
  return entry.sender = sender.slice(0, 100);
}

/** A type that a person can choose. */
export function offerType(name) {
  if ([...typeBox.options].some((option) => option.value === name)) return;
  typeBox.append(new Option(name, name));
}

export const chosenType = () => typeBox.value;

/** Chooses a type, or all of them when it was chosen already. */
export function chooseType(name) {
  typeBox.value = typeBox.value === name ? "" : name;
  typeBox.dispatchEvent(new Event("change"));
}

/** Begins with what the address says. */
export function startFilter(onChange) {
  const wanted = new URLSearchParams(location.search);
  const type = wanted.get("type") ?? "";
  if (type !== "") offerType(type);
  for (const [name, id] of Object.entries(NAMES)) byId(id).value = wanted.get(name) ?? "";
  const handle = () => {
    const query = new URLSearchParams(location.search);
    for (const [name, id] of Object.entries(NAMES)) {
      const { value } = byId(id);
      if (value === "") query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    history.replaceState(null, "", location.pathname + (text === "" ? "" : `?${text}`));
    onChange();
  };
  typeBox.addEventListener("change", handle);
  textBox.addEventListener("input", handle);
  fromBox.addEventListener("input", handle);
}
