// The list of messages: what is kept, what is shown of it, and what a person does with it.
//
// Kept smooth by one rule: what arrives is put into arrays, and the document is touched once per animation frame, whatever
// the number of messages.

import { memberOf } from "../client/json_parts.js";
import { bringIntoView, keepPlace, watchSize } from "./anchor.js";
import {
  button,
  byId,
  copyText,
  element,
  fullTimeText,
  hueOf,
  numberText,
  setText,
  timeText,
} from "./dom.js";
import { fetchEarlier, hideRecorded, showRecorded } from "./earlier.js";
import { Entries } from "./entries.js";
import { entryBody } from "./entry_body.js";
import { isFiltering, passes } from "./filter.js";
import { gapText } from "./gap_text.js";
import { plotEntries } from "./number_plot.js";
import { countMessage } from "./plot.js";

/** Messages that are kept to filter and scroll; the list shows 300 of those that pass the filter. */
const MAX_KEPT = 2000;
/** For those kept, and as much again for those that come while the list is held: 32 MB in all. */
const MAX_BYTES = 16_000_000;
/** More of them, and older ones, while somebody looks back. */
const MAX_KEPT_EARLIER = 20_000;
const MAX_BYTES_EARLIER = 64_000_000;
const MAX_SHOWN = 300;
/** Rows that stay when the list goes on to older ones. */
const OVERLAP = 20;
/** Questions to the gateway for one click, while a filter lets nothing pass. */
const MAX_EARLIER_ASKED = 10;
/** Opened messages stay, whatever comes; of more than these the one that was opened first is closed. */
const MAX_OPEN = 20;
const PREVIEW_LENGTH = 400;
const MAX_TYPE_LENGTH = 100;
const NO_TYPE = "(no type)";
const NOTHING_YET = "Nothing yet. Messages appear here as soon as an application sends one.";
const NOTHING_PASSES = "No message passes the filter.";

const list = byId("list");
const pauseButton = byId("pause");

const keptLimits = [MAX_KEPT_EARLIER, MAX_BYTES_EARLIER];
let kept = new Entries(...keptLimits);
/** What came since the last frame, or since the list is held. */
const arrived = new Entries(MAX_KEPT, MAX_BYTES);
let isPaused = false;
/** The newest entry that is shown while somebody looks back; undefined when the newest of all are. */
let viewEnd;
/** Number of the newest message on the bus. */
let total = 0;
let heldDropped = 0;
/** It is held while it is paused, and while somebody looks back. */
const isHeld = () => isPaused || viewEnd !== undefined;
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

/** Messages are missing here. */
export function addGap(missed, reason) {
  addNote(gapText(missed, reason));
}

function addNote(text) {
  add({ text, type: "", time: Date.now(), isGap: true, row: undefined });
}

function add(entry) {
  arrived.push(entry);
  const dropped = arrived.dropOldest();
  if (isHeld()) heldDropped += dropped;
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
    if (!isHeld() && arrived.all.length > 0) takeArrived();
    if (isHeld()) {
      const lost = heldDropped === 0 ? "" : `, the oldest ${heldDropped} of them will not be shown`;
      const what = isPaused ? "Paused" : "These are older messages";
      setText(byId("list-note"), `${what}. ${arrived.all.length + heldDropped} new${lost}.`);
    }
    handleFrame();
  });
}

function takeArrived() {
  const fresh = arrived.take();
  for (const entry of fresh) kept.push(entry);
  plotEntries(fresh);
  // It takes room below the list, so it comes together with the first row, not later.
  if (byId("range").hidden) drawRange();
  keepPlace(openRows(), () => {
    for (const entry of kept.trim((entry) => !opened.includes(entry), MAX_KEPT, MAX_BYTES)) forget(entry);
    const rows = document.createDocumentFragment();
    const shown = fresh.filter(passes).slice(-MAX_SHOWN);
    for (const entry of shown.reverse()) rows.append(rowOf(entry));
    list.prepend(rows);
    trimRows();
    drawEmpty();
  });
}

const openRows = () => opened.map(({ row }) => row);

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

/** All rows anew, after the filter was changed, or for older messages. */
export function redrawList() {
  const passing = kept.all.filter(passes);
  const end = viewEnd === undefined ? passing.length : passing.lastIndexOf(viewEnd) + 1;
  if (end === 0) viewEnd = undefined;
  const shown = new Set(passing.slice(Math.max(0, (end || passing.length) - MAX_SHOWN), end || undefined));
  if (viewEnd === undefined) { for (const entry of opened) if (passes(entry)) shown.add(entry); }
  for (const entry of kept.all) if (!shown.has(entry) && !opened.includes(entry)) entry.row = undefined;
  list.replaceChildren(...passing.filter((entry) => shown.has(entry)).reverse().map(rowOf));
  drawEmpty();
  drawRange();
}

function drawEmpty() {
  byId("empty").hidden = list.childElementCount > 0;
  byId("empty-more").hidden = kept.all.length > 0;
  setText(byId("empty-text"), kept.all.length > 0 ? NOTHING_PASSES : NOTHING_YET);
}

/** How much of all is shown; `number` is that of the newest message on the bus. */
export function drawRange(number = total) {
  total = number;
  const messages = kept.all.filter(({ isGap }) => !isGap);
  const rows = [...list.children].map((row) => entries.get(row)).filter((entry) =>
    (entry?.seq ?? null) !== null
  );
  let text = "";
  if (viewEnd !== undefined && rows.length > 0) {
    const [newest, oldest] = [rows[0].seq, rows.at(-1).seq];
    text = `${numberText(oldest)} to ${numberText(newest)} of ${numberText(total)}`;
  } else if (messages.length > 0) {
    const of = `newest ${numberText(messages.length)} of ${numberText(Math.max(total, messages.length))}`;
    text = isFiltering() ? `${numberText(messages.filter(passes).length)} of the ${of}` : of;
  }
  setText(byId("range-text"), text);
  byId("range").hidden = kept.all.length === 0;
  byId("newer").hidden = byId("newest").hidden = viewEnd === undefined;
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
  const time = element("time", "time", timeText(entry.time));
  time.dateTime = new Date(entry.time).toISOString();
  head.append(
    time,
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
  entry.row.append(entryBody(entry));
  entry.row.firstChild.setAttribute("aria-expanded", "true");
  bringIntoView(entry.row);
}

function close(entry) {
  opened = opened.filter((other) => other !== entry);
  entry.row.querySelector(".body").remove();
  entry.row.firstChild.setAttribute("aria-expanded", "false");
  trimRows();
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
      copyText(entries.get(row).text, row.querySelector(".copy"));
      break;
    default:
      return;
  }
  event.preventDefault();
}

/** The whole time of a row; made only for the one that is pointed at. */
function handlePointer({ target }) {
  const time = target.closest("time");
  if (time !== null && time.title === "") time.title = fullTimeText(Date.parse(time.dateTime));
}

// --- older ones ---

async function showOlder() {
  const button = byId("older");
  button.disabled = true;
  hideRecorded();
  const { oldest } = shownEnds();
  const before = kept.all.filter(passes).indexOf(oldest);
  // The rows of those that are kept, and then those that the gateway still holds.
  if (before <= 0) {
    const note = await fetchOlder();
    setText(byId("range-note"), note);
  } else {
    setText(byId("range-note"), "");
  }
  button.disabled = false;
  const passing = kept.all.filter(passes);
  const at = passing.indexOf(oldest);
  if (at <= 0) return redrawList();
  moveTo(passing[Math.min(passing.length - 1, at + OVERLAP - 1)]);
}

function shownEnds() {
  const rows = [...list.children].map((row) => entries.get(row));
  return { newest: rows[0], oldest: rows.at(-1) };
}

/** Gets what came before the oldest that is kept. Says why there is nothing, if there is nothing. */
async function fetchOlder() {
  for (let asked = 0; asked < MAX_EARLIER_ASKED; asked += 1) {
    const place = kept.all.find((entry) => entry.place !== undefined)?.place ?? "now";
    const { items, hasMore, note } = await fetchEarlier(place);
    if (items === undefined) {
      await showRecorded(kept.all[0]?.time ?? Date.now());
      return note;
    }
    const older = items.map((item) => ({
      ...item,
      type: typeNameOf(item.text),
      isGap: false,
      row: undefined,
    }));
    if (kept.unshift(older) < older.length) return "This page keeps no more.";
    if (!hasMore || older.some(passes)) return note;
  }
  return "None of these passes the filter; there are still older ones.";
}

function showNewer() {
  const passing = kept.all.filter(passes);
  const next = passing.indexOf(shownEnds().newest) + MAX_SHOWN - OVERLAP;
  moveTo(next >= passing.length - 1 ? undefined : passing[next]);
}

/** The list ends with this entry; undefined for the newest of all. */
function moveTo(end) {
  viewEnd = end;
  if (end === undefined) {
    setText(byId("range-note"), "");
    hideRecorded();
    takeHeld("older ones were shown");
  }
  redrawList();
  list.scrollTop = 0;
  focusRow(list.firstElementChild);
  requestFrame();
}

// --- pause and clear ---

/** Stops or goes on taking in what comes. */
export function togglePause() {
  isPaused = !isPaused;
  pauseButton.setAttribute("aria-pressed", String(isPaused));
  setText(pauseButton, isPaused ? "Resume" : "Pause");
  if (!isPaused) takeHeld("the list was paused");
  requestFrame();
}

/** The list is held no longer: what was let go is told in its place, before what is left of those that came. */
function takeHeld(why) {
  if (isHeld()) return;
  setText(byId("list-note"), "");
  if (heldDropped === 0) return;
  const left = arrived.take();
  addNote(`${numberText(heldDropped)} messages came while ${why} and are not shown.`);
  for (const entry of left) arrived.push(entry);
  heldDropped = 0;
}

function clear() {
  kept = new Entries(...keptLimits);
  opened = [];
  viewEnd = undefined;
  takeHeld("older ones were shown");
  redrawList();
}

/** What is kept, oldest first; with `isPassing` only what passes the filter. */
export const keptEntries = (isPassing = false) =>
  kept.all.filter((entry) => !entry.isGap && (!isPassing || passes(entry)));

/** Starts to listen to the person. `onFrame` is called whenever the list was brought up to date. */
export function startList(onFrame) {
  handleFrame = onFrame;
  watchSize(openRows);
  list.addEventListener("click", handleClick);
  list.addEventListener("keydown", handleKey);
  list.addEventListener("pointerover", handlePointer);
  list.addEventListener("focusin", (event) => focusedRow = rowAt(event.target) ?? focusedRow);
  pauseButton.addEventListener("click", togglePause);
  byId("clear").addEventListener("click", clear);
  byId("older").addEventListener("click", showOlder);
  byId("newer").addEventListener("click", showNewer);
  byId("newest").addEventListener("click", () => moveTo(undefined));
}
