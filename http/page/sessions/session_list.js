// The list of sessions and the form that searches them.

import { button, byId, element, numberText, setText } from "../dom.js";
import { change, queryOf, read } from "./api.js";
import { dateAndTimeText, lengthText, timeElement } from "./times.js";

const TYPING_MS = 250;
const PAGE = 50;

const list = byId("session-list");
const text = byId("search-text");
const from = byId("search-from");
const to = byId("search-to");
const starred = byId("search-starred");

let shown = new Map();
let next = null;
let opened;
let attempt = 0;
let open = () => {};
let handleTrouble = () => {};
let timer;

/** What is searched for. */
export const searchText = () => text.value.trim();

function query(cursor) {
  const day = (value, plus) => {
    if (value === "") return undefined;
    const [year, month, date] = value.split("-").map(Number);
    return new Date(year, month - 1, date + plus).getTime();
  };
  const end = day(to.value, 1);
  return queryOf({
    q: searchText(),
    from: day(from.value, 0),
    to: end === undefined ? undefined : end - 1,
    starred: starred.checked,
    cursor: cursor ?? undefined,
    limit: PAGE,
  });
}

/** Searches anew, from the newest. */
export async function refreshList() {
  const mine = ++attempt;
  try {
    const page = await read(`/sessions${query()}`);
    if (mine !== attempt) return;
    shown = new Map(page.sessions.map((session) => [session.id, session]));
    next = page.next;
    draw();
    handleTrouble("");
  } catch (error) {
    if (mine === attempt) {
      handleTrouble(error.code === "bad-parameter" ? "“to” is before “from”." : error.message);
    }
  }
}

async function showMore() {
  const mine = attempt;
  const page = await read(`/sessions${query(next)}`).catch((error) => handleTrouble(error.message));
  if (page === undefined || mine !== attempt) return;
  for (const session of page.sessions) shown.set(session.id, session);
  next = page.next;
  draw();
}

function draw() {
  const hasFocus = list.contains(document.activeElement)
    ? Number(document.activeElement.closest("li")?.dataset.id)
    : 0;
  list.replaceChildren(...[...shown.values()].map(row));
  if (hasFocus > 0) list.querySelector(`li[data-id="${hasFocus}"] .open`)?.focus();
  byId("more-sessions").hidden = next === null;
  const isFiltered = searchText() !== "" || from.value !== "" || to.value !== "" || starred.checked;
  const none = isFiltered ? "No session passes." : "Nothing has been recorded yet.";
  setText(byId("finder-note"), shown.size === 0 ? none : "");
}

function row(session) {
  const made = element("li");
  made.dataset.id = session.id;
  const star = starButton(session.star, `session ${session.name}`, async (star) => {
    replaceSession(await change("PATCH", `/sessions/${session.id}`, { star }));
  });
  const choice = button("open", "");
  choice.setAttribute("aria-current", String(session.id === opened));
  choice.append(element("bdi", "name", session.name), factsOf(session));
  if (session.description !== "") choice.append(element("bdi", "description", session.description));
  choice.addEventListener("click", () => open(session.id === opened ? undefined : session.id));
  made.append(star, choice);
  return made;
}

function factsOf(session) {
  const facts = element("span", "facts");
  const isRunning = session.ended === null;
  facts.append(timeElement(session.started, dateAndTimeText(session.started)));
  if (isRunning) facts.append(" ", element("span", "running", "recording now"));
  else facts.append(`, ${lengthText(session.ended - session.started)}`);
  facts.append(`, ${numberText(session.events)} ${session.events === 1 ? "event" : "events"}`);
  if (session.notes > 0) {
    facts.append(`, ${numberText(session.notes)} ${session.notes === 1 ? "note" : "notes"}`);
  }
  if (session.lost > 0) facts.append(", ", element("span", "lost", `${numberText(session.lost)} lost`));
  else if (session.gaps > 0) facts.append(", ", element("span", "lost", "something is missing"));
  return facts;
}

/** A star that can be switched. `save(star)` may fail; then it stays as it was. */
export function starButton(isOn, what, save) {
  const made = button("star", isOn ? "★" : "☆");
  made.setAttribute("aria-pressed", String(isOn));
  made.setAttribute("aria-label", `Star: ${what}`);
  made.addEventListener("click", async () => {
    const star = made.getAttribute("aria-pressed") !== "true";
    try {
      await save(star);
      made.setAttribute("aria-pressed", String(star));
      setText(made, star ? "★" : "☆");
    } catch (error) {
      handleTrouble(error.message);
    }
  });
  return made;
}

/** A session has changed. */
export function replaceSession(session) {
  if (!shown.has(session.id)) return;
  shown.set(session.id, session);
  draw();
}

/** A session is gone. */
export function removeSession(id) {
  shown.delete(id);
  draw();
}

export function markOpen(id) {
  opened = id;
  for (const choice of list.querySelectorAll(".open")) {
    choice.setAttribute("aria-current", String(Number(choice.parentElement.dataset.id) === id));
  }
}

function handleKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const own = event.target.closest("#session-list > li");
  const target = {
    ArrowDown: own === null ? list.firstElementChild : own.nextElementSibling,
    ArrowUp: own?.previousElementSibling ?? null,
    Home: list.firstElementChild,
    End: list.lastElementChild,
  }[event.key];
  if (target === undefined) return;
  target?.querySelector(".open").focus();
  event.preventDefault();
}

/** `onOpen(id)` is called with the session that a person chooses, undefined to close it. */
export function startList(onOpen, onTrouble) {
  open = onOpen;
  handleTrouble = onTrouble;
  const search = () => {
    clearTimeout(timer);
    timer = setTimeout(refreshList, TYPING_MS);
  };
  text.addEventListener("input", search);
  for (const field of [from, to, starred]) field.addEventListener("change", search);
  byId("search").addEventListener("submit", (event) => {
    event.preventDefault();
    refreshList();
  });
  byId("more-sessions").addEventListener("click", showMore);
  list.addEventListener("keydown", handleKey);
  return refreshList();
}
