// A row of the list of events: what was done, by whom, and what a person can do from there.

import { button, element } from "../dom.js";
import { memberOf } from "../../client/json_parts.js";
import { jsonTree } from "../json_tree.js";
import { change, readText } from "./api.js";
import { copyText } from "./clipboard.js";
import { noteElement, notesOf, writeNote } from "./notes.js";
import { badge } from "./people.js";
import { dropPicture, picture } from "./picture.js";
import { starButton } from "./session_list.js";
import { linkTo, timeElement } from "./times.js";

/** A row for an event. `on` has `goTo(event)`, `replay(event)` and `starred(event)`. */
export function eventRow(session, event, on) {
  const row = element("li", "event");
  row.dataset.seq = event.seq;
  const head = button("event-head", "");
  head.tabIndex = -1;
  head.setAttribute("aria-expanded", "false");
  head.append(
    timeElement(event.time),
    " ",
    badge(event.application, event.instance),
    " ",
    element("bdi", "action", event.action === "" ? "(no text)" : event.action),
  );
  const star = starButton(event.star, event.action.slice(0, 80), async (star) => {
    on.starred(await change("PATCH", `/sessions/${session}/events/${event.seq}`, { star }));
  });
  star.tabIndex = -1;
  row.append(star, head);
  if (event.hasPicture) row.append(picture(session, event.seq, `Picture of “${event.action.slice(0, 80)}”`));
  row.append(element("ul", "notes"), element("div", "new-note"));
  drawNotes(row, event.seq);
  head.addEventListener("click", () => toggle(session, event, row, on));
  return row;
}

/** The row is shown no more. */
export function dropRow(row) {
  for (const image of row.querySelectorAll("img")) dropPicture(image);
  row.remove();
}

/** The notes of its event anew. */
export function drawNotes(row, seq) {
  const list = row.querySelector(".notes");
  const notes = notesOf(seq);
  list.hidden = notes.length === 0;
  list.replaceChildren(...notes.map((note) => noteElement(note)));
}

/** Opens the form for a new note; afterwards the row has the focus again. */
export function noteOn(row) {
  writeNote(
    row.querySelector(".new-note"),
    Number(row.dataset.seq),
    () => row.querySelector(".event-head").focus(),
  );
}

function toggle(session, event, row, on) {
  const head = row.querySelector(".event-head");
  const isOpen = head.getAttribute("aria-expanded") === "true";
  head.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) return row.querySelector(".event-body").remove();
  const body = element("div", "event-body");
  body.append(actionsOf(session, event, row, on), stateOf(session, event));
  head.after(body);
}

function actionsOf(session, event, row, on) {
  const actions = element("div", "row wrap");
  const add = (text, run) => {
    const made = button("", text);
    made.addEventListener("click", () => run(made));
    actions.append(made);
    return made;
  };
  const back = add("Go back to here …", () => on.goTo(event));
  back.title = "Send the applications what they had then; first you see what would be sent";
  add("Replay from here …", () => on.replay(event));
  add("Write a note", () => noteOn(row));
  add("Copy link", (made) => copyText(linkTo(session, { seq: event.seq }), made));
  return actions;
}

/** The state, closed at first: it may be large, and is asked for when somebody wants to see it. */
function stateOf(session, event) {
  const box = element("details", "state");
  box.append(element("summary", "", event.hasState ? "State" : "The whole message (it has no state)"));
  box.addEventListener("toggle", async () => {
    if (!box.open || box.querySelector(".tree, .note") !== null) return;
    const place = element("p", "note", "Loading …");
    box.append(place);
    try {
      const text = await readText(`/sessions/${session}/messages/${event.seq}`);
      const shown = (event.hasState ? memberOf(text, "state") : undefined) ?? text;
      const copy = button("copy", "Copy the message");
      copy.addEventListener("click", () => copyText(text, copy));
      place.replaceWith(jsonTree(shown), copy);
    } catch (error) {
      place.dataset.state = "bad";
      place.textContent = error.message;
    }
  });
  return box;
}
