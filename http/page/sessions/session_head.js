// What is said of the session that is open: its name, its numbers, and what can be done with all of it.

import { button, byId, element, numberText, setText, sizeText } from "../dom.js";
import { askBlob } from "../gateway.js";
import { change } from "./api.js";
import { confirmBy } from "./dialog.js";
import { starButton } from "./session_list.js";
import { dateAndTimeText, lengthText, timeElement } from "./times.js";

const head = byId("session-head");
const EXPORT_DEADLINE_MS = 3_600_000;

let drawn = "";
let isEditing = false;

/** Shows a session. `on` has `close()`, `changed(session)`, `deleted(id)`, `begun(session)` and `replay()`. */
export function showHead(session, on) {
  const state = JSON.stringify(session);
  if (state === drawn || (isEditing && head.dataset.id === String(session.id))) return;
  drawn = state;
  isEditing = false;
  head.dataset.id = session.id;
  const hadFocus = head.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  head.replaceChildren(
    titleRow(session, on),
    ...descriptionOf(session),
    factsOf(session),
    buttonsOf(session, on),
  );
  if (hadFocus !== undefined) head.querySelector(`[data-key="${hadFocus}"]`)?.focus();
}

export function forgetHead() {
  drawn = "";
  isEditing = false;
  head.replaceChildren();
}

function titleRow(session, on) {
  const row = element("div", "title-row");
  const back = button("back link", "← All sessions");
  back.addEventListener("click", on.close);
  const star = starButton(session.star, `session ${session.name}`, async (star) => {
    on.changed(await change("PATCH", `/sessions/${session.id}`, { star }));
  });
  star.dataset.key = "star";
  const name = element("h2", "", "");
  name.id = "session-name";
  name.append(element("bdi", "", session.name));
  const titled = element("div", "titled");
  titled.append(star, name);
  row.append(back, titled);
  if (session.ended === null) row.append(element("span", "running", "recording now"));
  return row;
}

const descriptionOf = ({ description }) =>
  description === "" ? [] : [element("p", "description", description)];

function factsOf(session) {
  const facts = element("dl", "facts");
  const add = (name, value, state) => {
    const box = element("div");
    if (state) box.dataset.state = state;
    const dd = element("dd");
    dd.append(value);
    box.append(element("dt", "", name), dd);
    facts.append(box);
    return box;
  };
  const end = session.ended ?? Date.now();
  add("started", timeElement(session.started, dateAndTimeText(session.started)));
  add("length", lengthText(end - session.started));
  add("messages", numberText(session.messages));
  add("events", numberText(session.events));
  const lost = add("lost", lostText(session), session.lost > 0 || session.gaps > 0 ? "bad" : "good");
  lost.title = "Messages that the bus had and this file has not";
  add("in the file", sizeText(session.bytes, "B"));
  if (session.clean === false) {
    const box = add("end", "without a goodbye", "warn");
    box.title =
      "The recording program was ended by force: up to a quarter of a second before that may be missing";
  }
  if (session.broker !== null) facts.title = `Recorded by ${session.program} from ${session.broker}`;
  return facts;
}

function lostText({ lost, gaps }) {
  if (gaps === 0 && lost === 0) return "0";
  return lost === 0 ? "some" : numberText(lost);
}

function buttonsOf(session, on) {
  const row = element("div", "row wrap");
  const add = (key, text, run, kind = "") => {
    const made = button(kind, text);
    made.dataset.key = key;
    made.addEventListener("click", () => run(made));
    row.append(made);
    return made;
  };
  add("edit", "Rename, describe", () => edit(session, on));
  add("replay", "Replay …", on.replay);
  add("export", "Export", (made) => exportSession(session, made));
  if (session.ended === null) {
    add("split", "Begin a new session", async (made) => {
      try {
        on.begun(await change("POST", "/sessions", {}));
      } catch (error) {
        setText(made, error.message);
      }
    });
  }
  const drop = add("delete", "Delete", () => askToDelete(session, on), "danger");
  if (session.ended === null) {
    drop.disabled = true;
    drop.title = "It is being recorded. Begin a new session first.";
  }
  return row;
}

function askToDelete(session, on) {
  confirmBy({
    title: "Delete this session?",
    text: [
      `“${session.name}” with ${numberText(session.messages)} messages, ${
        numberText(session.events)
      } events and ${numberText(session.notes)} notes.`,
      "It is overwritten in the file. There is no way back.",
    ],
    yes: "Delete it for good",
    run: async () => {
      await change("DELETE", `/sessions/${session.id}`);
      on.deleted(session.id);
    },
  });
}

async function exportSession(session, made) {
  setText(made, "Exporting …");
  try {
    const blob = await askBlob(`/sessions/${session.id}/export`, EXPORT_DEADLINE_MS);
    const link = element("a");
    link.href = URL.createObjectURL(blob);
    link.download = `session-${session.id}.ndjson`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    setText(made, "Export");
  } catch {
    setText(made, "Export failed; again?");
  }
}

function edit(session, on) {
  isEditing = true;
  const form = element("form", "edit-form");
  const name = element("input");
  name.value = session.name;
  name.maxLength = 200;
  name.required = true;
  const description = element("textarea");
  description.rows = 3;
  description.maxLength = 10_000;
  description.value = session.description;
  const label = (text, field) => {
    const made = element("label", "", text);
    made.append(field);
    return made;
  };
  const ok = element("button", "main", "Save");
  ok.type = "submit";
  const no = button("", "Cancel");
  const row = element("div", "row");
  const problem = element("p", "note");
  problem.dataset.state = "bad";
  problem.setAttribute("role", "alert");
  row.append(ok, no);
  const heading = element("h2", "", "Name and description");
  heading.id = "session-name";
  form.append(heading, label("Name", name), label("Description", description), row, problem);
  const done = (now) => {
    isEditing = false;
    drawn = "";
    showHead(now, on);
    head.querySelector('[data-key="edit"]')?.focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const now = await change("PATCH", `/sessions/${session.id}`, {
        name: name.value,
        description: description.value,
      });
      done(now);
      on.changed(now);
    } catch (error) {
      setText(problem, `Not saved. ${error.message}`);
    }
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Escape") done(session);
  });
  no.addEventListener("click", () => done(session));
  head.replaceChildren(form);
  name.focus();
  name.select();
}
