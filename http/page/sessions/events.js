// The list of events. A session may have millions, so only a window of it is here: at both ends the next ones are fetched when they
// come near, and at the other end as many are let go.

import { byId, element, numberText, setText } from "../dom.js";
import { queryOf, read } from "./api.js";
import { drawNotes, dropRow, eventRow, noteOn } from "./event_row.js";
import { reasonText } from "./strip.js";

/** So many rows are made in less than a frame. */
const PAGE = 50;
const MAX_ROWS = 300;
/** So near to an end, in pixels, the next ones are fetched. */
const NEAR = 900;
const TYPING_MS = 250;
/** Behind any message. */
const END = 999_999_999_999_999;

const list = byId("events");
const text = byId("events-text");
const application = byId("events-application");
const starred = byId("events-starred");

let session;
/** The events that are shown, in order. */
let events = [];
/** Where messages are missing in the session. */
let gaps = [];
let hasMoreAbove = false;
let hasMoreBelow = false;
let isLoading = false;
let attempt = 0;
let focusedSeq;
let timer;
let on = {};

const filter = () => ({
  q: text.value.trim(),
  application: application.value,
  starred: starred.getAttribute("aria-pressed") === "true",
});
const isFiltered = () => Object.values(filter()).some((value) => value !== "" && value !== false);
const page = (query) => read(`/sessions/${session}/events${queryOf({ ...filter(), limit: PAGE, ...query })}`);

/** Shows the events of a session; where they begin is for {@link jumpTo} to say. */
export function openEvents(id, words = "") {
  session = id;
  text.value = words;
  application.value = "";
  starred.setAttribute("aria-pressed", "false");
  clear();
}

export function closeEvents() {
  session = undefined;
  gaps = [];
  attempt += 1;
  clear();
}

function clear() {
  for (const row of [...list.children]) dropRow(row);
  events = [];
  focusedSeq = undefined;
}

/** Goes to a moment: the event `seq`, the first one from `time` on, the beginning, or the end. */
export async function jumpTo(moment) {
  const mine = ++attempt;
  isLoading = true;
  try {
    let [above, below] = [undefined, undefined];
    if (moment?.isEnd === true) {
      above = await page({ before: END });
    } else if (moment?.time !== undefined) {
      below = await page({ from: moment.time });
      const first = below.events[0]?.seq;
      above = await page({ before: first ?? END });
      // The filter by time is for the first page only.
    } else {
      below = await page({ since: Math.max(0, (moment?.seq ?? 1) - 1) });
      if ((moment?.seq ?? 1) > 1) above = await page({ before: moment.seq });
    }
    if (mine !== attempt) return;
    clear();
    hasMoreAbove = above?.more ?? false;
    hasMoreBelow = below?.more ?? false;
    events = [...(above?.events ?? []), ...(below?.events ?? [])];
    list.append(...events.map(row));
    markGaps();
    tell();
    if (moment?.isEnd === true) list.scrollTop = list.scrollHeight;
    else if (moment === undefined || below.events.length === 0) {
      list.scrollTop = moment === undefined ? 0 : list.scrollHeight;
    } else scrollTo(below.events[0].seq, moment.seq);
    on.moved(firstVisible()?.time);
  } catch (error) {
    if (mine === attempt) setText(byId("events-note"), error.message);
  } finally {
    if (mine === attempt) isLoading = false;
  }
}

function scrollTo(seq, wanted) {
  const found = rowAt(seq);
  if (found === null) return;
  list.scrollTop = found.offsetTop;
  if (seq !== wanted) return;
  for (const marked of list.querySelectorAll(".marked")) marked.classList.remove("marked");
  found.classList.add("marked");
  focusedSeq = seq;
}

const rowAt = (seq) => list.querySelector(`li[data-seq="${seq}"]`);
const row = (event) => eventRow(session, event, on);

function tell() {
  const none = isFiltered()
    ? "No event passes the filter."
    : "No application has logged an event in this session.";
  byId("no-events").hidden = events.length > 0;
  setText(byId("no-events"), none);
  setText(byId("events-note"), "");
}

/** The first row that is in view. */
function firstVisibleRow() {
  const { children } = list;
  let [low, high] = [0, children.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (children[middle].offsetTop + children[middle].offsetHeight > list.scrollTop + 1) high = middle;
    else low = middle + 1;
  }
  return children[low];
}

const isGap = (node) => node?.classList.contains("gap") ?? false;

/** The next row in a direction that is an event; null at the end. */
function eventRowFrom(node, direction) {
  let found = node;
  while (isGap(found)) found = found[direction];
  return found;
}

/** The first event that is in view. */
function firstVisible() {
  const seq = Number(eventRowFrom(firstVisibleRow(), "nextElementSibling")?.dataset.seq);
  return events.find((event) => event.seq === seq);
}

async function handleScroll() {
  on.moved(firstVisible()?.time);
  if (isLoading || session === undefined) return;
  const below = list.scrollHeight - list.scrollTop - list.clientHeight;
  if (below < NEAR && hasMoreBelow) await extend("below");
  else if (list.scrollTop < NEAR && hasMoreAbove) await extend("above");
}

async function extend(side) {
  const mine = attempt;
  isLoading = true;
  try {
    const isBelow = side === "below";
    const next = await page(isBelow ? { since: events.at(-1)?.seq ?? 0 } : { before: events[0].seq });
    if (mine !== attempt) return;
    if (isBelow) {
      hasMoreBelow = next.more;
      events.push(...next.events);
      list.append(...next.events.map(row));
      if (events.length > MAX_ROWS) trim(events.splice(0, events.length - MAX_ROWS), "above");
    } else {
      hasMoreAbove = next.more;
      events.unshift(...next.events);
      keepPlace(() => list.prepend(...next.events.map(row)));
      if (events.length > MAX_ROWS) trim(events.splice(MAX_ROWS), "below");
    }
    markGaps();
    tell();
  } catch (error) {
    if (mine === attempt) setText(byId("events-note"), error.message);
  } finally {
    if (mine === attempt) isLoading = false;
  }
}

function trim(gone, side) {
  keepPlace(() => {
    for (let left = gone.length; left > 0;) {
      const old = side === "above" ? list.firstElementChild : list.lastElementChild;
      if (!isGap(old)) left -= 1;
      if (old.contains(document.activeElement)) list.focus({ preventScroll: true });
      dropRow(old);
    }
  });
  if (side === "above") hasMoreAbove = true;
  else hasMoreBelow = true;
}

/** What is in view stays where it is, whatever happens above it. */
function keepPlace(work) {
  const anchor = eventRowFrom(firstVisibleRow(), "nextElementSibling");
  const top = anchor?.offsetTop ?? 0;
  work();
  if (anchor?.isConnected) list.scrollTop += anchor.offsetTop - top;
}

/** Where messages are missing: told between the events that came before and after. */
export function setGaps(found) {
  gaps = found;
  markGaps();
}

function markGaps() {
  const old = list.querySelectorAll(":scope > .gap");
  if (gaps.length === 0 && old.length === 0) return;
  keepPlace(() => {
    for (const node of old) node.remove();
    // What lies before the first row is known only where the list begins.
    let before = hasMoreAbove ? undefined : 0;
    for (const node of [...list.children]) {
      const seq = Number(node.dataset.seq);
      if (before !== undefined) node.before(...gapsBetween(before, seq));
      before = seq;
    }
    if (before !== undefined && !hasMoreBelow) list.append(...gapsBetween(before, Infinity));
  });
}

function gapsBetween(from, to) {
  return gaps.filter(({ after }) => after >= from && after < to).map(({ missed, reason }) => {
    const what = missed === null
      ? "Messages are missing here, nobody knows how many"
      : missed === 1
      ? "1 message is missing here"
      : `${numberText(missed)} messages are missing here`;
    return element("li", "gap", `${what}: ${reasonText(reason)}.`);
  });
}

/** A session that is being recorded grows at its end. Whoever reads the end stays there. */
export async function lookForNew() {
  if (isLoading || hasMoreBelow || session === undefined) return;
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 4 && list.scrollTop > 0;
  await extend("below");
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

/** The notes of an event have changed. */
export function redrawNotes(seq) {
  const found = seq === null ? null : rowAt(seq);
  if (found !== null) drawNotes(found, seq);
}

/** Which applications can be chosen. */
export function setApplications(names) {
  // Whoever has the list open keeps it.
  if (names.join("\n") === [...application.options].slice(1).map(({ value }) => value).join("\n")) return;
  const before = application.value;
  application.replaceChildren(
    new Option("all applications", ""),
    ...names.map((name) => new Option(name, name)),
  );
  application.value = names.includes(before) ? before : "";
}

/** How many events there are, for the title. */
export function setCount(number) {
  setText(byId("events-title"), `Events (${numberText(number)})`);
}

// --- keyboard ---

const headOf = (node) => node?.querySelector(".event-head");

function focusRow(node) {
  headOf(node)?.focus();
}

/** The row to go to from one: the next event, the same at an end, the first from nowhere. */
function nextRow(own, direction) {
  const first = eventRowFrom(list.firstElementChild, "nextElementSibling");
  return own === null ? first : eventRowFrom(own[direction], direction) ?? own;
}

async function handleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("textarea, input, .event-body, .notes") !== null) return;
  const own = event.target.closest("#events > li") ?? (focusedSeq === undefined ? null : rowAt(focusedSeq));
  const item = own === null ? undefined : events.find(({ seq }) => seq === Number(own.dataset.seq));
  const isJump = event.key === "Home" || event.key === "End";
  if (event.key === "ArrowDown") {
    focusRow(nextRow(own, "nextElementSibling"));
  } else if (event.key === "ArrowUp") focusRow(nextRow(own, "previousElementSibling"));
  else if (isJump) {
    event.preventDefault();
    const isEnd = event.key === "End";
    if (isEnd ? hasMoreBelow : hasMoreAbove) await jumpTo(isEnd ? { isEnd } : undefined);
    return focusRow(isEnd ? eventRowFrom(list.lastElementChild, "previousElementSibling") : nextRow(null));
  } else if (item === undefined) return;
  else if (event.key === "s") own.querySelector(".star").click();
  else if (event.key === "n") noteOn(own);
  else if (event.key === "g") on.goTo(item);
  else if (event.key === "r") on.replay(item);
  else if (event.key === "l") on.link(item);
  else if (event.key === "Enter" && event.target === list) headOf(own).click();
  else return;
  event.preventDefault();
}

/** `handlers` has `goTo(event)`, `replay(event)`, `link(event)` and `moved(time)`, called with where the list is. */
export function startEvents(handlers) {
  on = {
    ...handlers,
    starred: (event) => events = events.map((other) => other.seq === event.seq ? event : other),
  };
  list.addEventListener("scroll", handleScroll, { passive: true });
  list.addEventListener("keydown", handleKey);
  list.addEventListener("focusin", (event) => {
    const own = event.target.closest("#events > li");
    if (own !== null) focusedSeq = Number(own.dataset.seq);
  });
  const search = () => {
    clearTimeout(timer);
    timer = setTimeout(() => jumpTo(undefined), TYPING_MS);
  };
  text.addEventListener("input", search);
  application.addEventListener("change", () => jumpTo(undefined));
  starred.addEventListener("click", () => {
    starred.setAttribute("aria-pressed", String(starred.getAttribute("aria-pressed") !== "true"));
    jumpTo(undefined);
  });
}
