// The list of messages: what is kept, what is shown of it, and what a person does with it.
//
// Kept smooth by one rule: what arrives is put into arrays, and the document is touched once per animation frame, whatever
// the number of messages.

import { button, byId, element, hueOf, numberText, setText, timeText } from "./dom.js";
import { memberOf } from "../client/json_parts.js";
import { jsonTree } from "./json_tree.js";
import { countMessage } from "./plot.js";

/** Messages that are kept to filter and scroll; the list shows the newest of those that pass the filter. */
const MAX_KEPT = 2000;
/** For those kept, and as much again for those that come while the list is paused: 32 MB in all. */
const MAX_BYTES = 16_000_000;
const MAX_SHOWN = 300;
/** Opened messages stay, whatever comes; of more than these the one that was opened first is closed. */
const MAX_OPEN = 20;
const PREVIEW_LENGTH = 400;
const MAX_TYPE_LENGTH = 100;
const NO_TYPE = "(no type)";
const NOTHING_YET = "Nothing yet. Messages appear here as soon as an application sends one.";
const NOTHING_PASSES = "No message passes the filter.";

/** Why messages are missing, by the reason of the gap. */
const GAP_REASONS = {
  expired: "no longer held when this page asked for more",
  slow: "the broker dropped them, for they were read too slowly",
  restarted: "the broker was started anew",
  disconnected: "the connection to the broker was cut",
  "foreign-cursor": "the broker was started anew, or it is another one",
};

const list = byId("list");
const filterInput = byId("filter");
const filterType = byId("filter-type");
const pauseButton = byId("pause");

/** Entries in order, newest last, and how much memory their texts take at most. An entry is a message or a gap. */
class Entries {
  all = [];
  #bytes = 0;

  push(entry) {
    this.all.push(entry);
    this.#bytes += bytesOf(entry);
  }

  /** Takes out what is too much, never the newest: the oldest of those that may go, and only then of the others. */
  trim(mayGo) {
    const gone = this.#trim(mayGo);
    return gone.concat(this.#trim(() => true));
  }

  #trim(mayGo) {
    const gone = [];
    let surplus = this.all.length - MAX_KEPT;
    const isTooMuch = () => surplus > 0 || this.#bytes > MAX_BYTES;
    if (!isTooMuch()) return gone;
    const newest = this.all.at(-1);
    this.all = this.all.filter((entry) => {
      if (!isTooMuch() || entry === newest || !mayGo(entry)) return true;
      surplus -= 1;
      this.#bytes -= bytesOf(entry);
      gone.push(entry);
      return false;
    });
    return gone;
  }

  /** Takes out the oldest ones as long as there is too much. Says how many. */
  dropOldest() {
    let dropped = 0;
    while (this.all.length > 1 && (this.all.length > MAX_KEPT || this.#bytes > MAX_BYTES)) {
      this.#bytes -= bytesOf(this.all.shift());
      dropped += 1;
    }
    return dropped;
  }

  take() {
    const all = this.all;
    this.all = [];
    this.#bytes = 0;
    return all;
  }
}

/** Two bytes for each unit is what a text takes at most. */
const bytesOf = (entry) => 2 * entry.text.length;

let kept = new Entries();
/** What came since the last frame, or since the list was paused. */
const arrived = new Entries();
let isPaused = false;
let pausedDropped = 0;
/** The entries that are open, in the order in which they were opened. */
let opened = [];
const entries = new WeakMap();
let focusedRow;
let isFrameRequested = false;
let handleFrame = () => {};

/** A message came. `isLive` is false for what was held from before. */
export function addMessage({ text, time, place, seq, isLive }) {
  const type = typeNameOf(text);
  countMessage(type, time, isLive);
  add({ text, type, time, place, seq, isGap: false, row: undefined });
}

/** Messages are missing here; `missed` is null when nobody can know how many. */
export function addGap(missed, reason) {
  const why = Object.hasOwn(GAP_REASONS, reason ?? "") ? GAP_REASONS[reason] : undefined;
  if (missed === null) {
    addNote(`Messages may be missing here, nobody knows how many: ${why ?? "the gateway was started anew"}.`);
  } else {
    const what = missed === 1 ? "1 message is" : `${numberText(missed)} messages are`;
    addNote(`${what} missing here: ${why ?? GAP_REASONS.expired}.`);
  }
}

function addNote(text) {
  add({ text, type: "", time: Date.now(), isGap: true, row: undefined });
}

function add(entry) {
  arrived.push(entry);
  const dropped = arrived.dropOldest();
  if (isPaused) pausedDropped += dropped;
  requestFrame();
}

function typeNameOf(text) {
  const value = memberOf(text, "type");
  if (value === undefined || value[0] !== '"' || value === '""') return NO_TYPE;
  return JSON.parse(value).slice(0, MAX_TYPE_LENGTH);
}

function requestFrame() {
  if (isFrameRequested) return;
  isFrameRequested = true;
  requestAnimationFrame(() => {
    isFrameRequested = false;
    if (!isPaused && arrived.all.length > 0) takeArrived();
    if (isPaused) {
      const lost = pausedDropped === 0 ? "" : `, the oldest ${pausedDropped} of them will not be shown`;
      setText(byId("list-note"), `Paused. ${arrived.all.length + pausedDropped} new${lost}.`);
    }
    handleFrame();
  });
}

function takeArrived() {
  const anchor = anchorRow();
  const anchorTop = anchor?.getBoundingClientRect().top;
  const fresh = arrived.take();
  for (const entry of fresh) kept.push(entry);
  for (const entry of kept.trim((entry) => !opened.includes(entry))) forget(entry);
  const rows = document.createDocumentFragment();
  const shown = fresh.filter(passes).slice(-MAX_SHOWN);
  for (const entry of shown.reverse()) rows.append(rowOf(entry));
  list.prepend(rows);
  trimRows();
  byId("empty").hidden = list.childElementCount > 0;
  if (anchor?.isConnected) list.scrollTop += anchor.getBoundingClientRect().top - anchorTop;
}

/** Whoever reads an opened message, or has scrolled away from the newest, keeps that place. */
function anchorRow() {
  const top = list.scrollTop;
  const bottom = top + list.clientHeight;
  const isVisible = (row) => row.offsetTop < bottom && row.offsetTop + row.offsetHeight > top;
  for (const { row } of opened) if (row.isConnected && isVisible(row)) return row;
  if (top === 0) return undefined;
  const { children } = list;
  let [low, high] = [0, children.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (children[middle].offsetTop + children[middle].offsetHeight > top) high = middle;
    else low = middle + 1;
  }
  return children[low];
}

function trimRows() {
  let surplus = list.childElementCount - MAX_SHOWN;
  let row = list.lastElementChild;
  // Opened rows are not counted.
  for (const entry of opened) if (entry.row.isConnected) surplus -= 1;
  while (surplus > 0 && row !== null) {
    const before = row.previousElementSibling;
    const entry = entries.get(row);
    if (!opened.includes(entry)) {
      removeRow(entry);
      surplus -= 1;
    }
    row = before;
  }
}

function removeRow(entry) {
  if (entry.row === undefined) return;
  // Whoever reads the last row stays in the list.
  if (entry.row.contains(document.activeElement)) list.focus({ preventScroll: true });
  entry.row.remove();
  entry.row = undefined;
}

function forget(entry) {
  opened = opened.filter((other) => other !== entry);
  removeRow(entry);
}

function passes(entry) {
  if (entry.isGap) return true;
  if (filterType.value !== "" && entry.type !== filterType.value) return false;
  const wanted = filterInput.value.toLowerCase();
  return wanted === "" || entry.text.toLowerCase().includes(wanted);
}

/** All rows anew, after the filter was changed. */
export function redrawList() {
  const passing = kept.all.filter(passes);
  const shown = new Set(passing.slice(-MAX_SHOWN));
  for (const entry of opened) if (passes(entry)) shown.add(entry);
  for (const entry of kept.all) if (!shown.has(entry) && !opened.includes(entry)) entry.row = undefined;
  list.replaceChildren(...passing.filter((entry) => shown.has(entry)).reverse().map(rowOf));
  byId("empty").hidden = list.childElementCount > 0;
  setText(byId("empty"), kept.all.length > 0 ? NOTHING_PASSES : NOTHING_YET);
}

function rowOf(entry) {
  if (entry.row !== undefined) return entry.row;
  const row = entry.row = element("li", entry.isGap ? "gap" : "");
  entries.set(row, entry);
  if (entry.isGap) {
    row.tabIndex = -1;
    row.textContent = entry.text;
    return row;
  }
  const head = button("head");
  head.tabIndex = -1;
  head.setAttribute("aria-expanded", "false");
  const type = element("span", "type", entry.type);
  type.style.setProperty("--hue", hueOf(entry.type));
  head.append(
    element("time", "time", timeText(entry.time)),
    " ",
    type,
    " ",
    element("span", "text", entry.text.slice(0, PREVIEW_LENGTH)),
  );
  row.append(head);
  return row;
}

// --- open and close ---

function toggle(entry) {
  if (entry.isGap) return;
  if (opened.includes(entry)) return close(entry);
  if (opened.length >= MAX_OPEN) close(opened[0]);
  opened.push(entry);
  const body = element("div", "body");
  const copy = button("copy", "Copy");
  copy.addEventListener("click", () => copyText(entry, copy));
  body.append(jsonTree(entry.text), copy);
  entry.row.append(body);
  entry.row.firstChild.setAttribute("aria-expanded", "true");
  // As much of it as fits comes into view.
  const { offsetTop, offsetHeight } = entry.row;
  const below = offsetTop + offsetHeight - list.scrollTop - list.clientHeight;
  if (below > 0) list.scrollTop = Math.min(list.scrollTop + below, offsetTop);
}

function close(entry) {
  opened = opened.filter((other) => other !== entry);
  entry.row.querySelector(".body").remove();
  entry.row.firstChild.setAttribute("aria-expanded", "false");
  trimRows();
}

async function copyText(entry, copy) {
  let result = "Copied";
  try {
    await navigator.clipboard.writeText(entry.text);
  } catch {
    result = "The browser does not allow it";
  }
  if (!copy) return;
  copy.textContent = result;
  setTimeout(() => copy.textContent = "Copy", 1500);
}

function handleClick(event) {
  const head = event.target.closest(".head");
  if (head !== null) toggle(entries.get(head.parentElement));
}

// --- keyboard ---

const rowAt = (node) => node.closest("#list > li");

function focusRow(row) {
  (row?.querySelector(".head") ?? row)?.focus();
}

function handleKey(event) {
  const row = rowAt(event.target) ?? (focusedRow?.isConnected ? focusedRow : undefined);
  const isInside = event.target.closest(".body") !== null;
  if (event.ctrlKey || event.metaKey || event.altKey || (isInside && event.key !== "c")) return;
  switch (event.key) {
    case "ArrowDown":
      focusRow(row === undefined ? list.firstElementChild : row.nextElementSibling ?? row);
      break;
    case "ArrowUp":
      focusRow(row?.previousElementSibling ?? list.firstElementChild);
      break;
    case "Home":
      focusRow(list.firstElementChild);
      break;
    case "End":
      focusRow(list.lastElementChild);
      break;
    case "Enter":
    case " ":
      // A focused row is a button, and does it by itself.
      if (event.target !== list || row === undefined) return;
      toggle(entries.get(row));
      break;
    case "c":
      if (row === undefined || entries.get(row).isGap) return;
      copyText(entries.get(row), row.querySelector(".copy"));
      break;
    default:
      return;
  }
  event.preventDefault();
}

// --- pause and clear ---

/** Stops or goes on taking in what comes. */
export function togglePause() {
  isPaused = !isPaused;
  pauseButton.setAttribute("aria-pressed", String(isPaused));
  setText(pauseButton, isPaused ? "Resume" : "Pause");
  if (!isPaused) {
    setText(byId("list-note"), "");
    if (pausedDropped > 0) {
      // In its place: before what is left of those that came.
      const left = arrived.take();
      addNote(`${numberText(pausedDropped)} messages came while the list was paused and are not shown.`);
      for (const entry of left) arrived.push(entry);
      pausedDropped = 0;
    }
  }
  requestFrame();
}

function clear() {
  kept = new Entries();
  opened = [];
  redrawList();
}

/** Starts to listen to the person. `onFrame` is called whenever the list was brought up to date. */
export function startList(onFrame) {
  handleFrame = onFrame;
  list.addEventListener("click", handleClick);
  list.addEventListener("keydown", handleKey);
  list.addEventListener("focusin", (event) => focusedRow = rowAt(event.target) ?? focusedRow);
  pauseButton.addEventListener("click", togglePause);
  byId("clear").addEventListener("click", clear);
  filterInput.addEventListener("input", redrawList);
}
