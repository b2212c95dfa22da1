// Notes on moments: kept for the session that is open, shown under their events and in a list of all of them.

import { button, byId, element, setText } from "../dom.js";
import { change, read } from "./api.js";
import { confirmBy } from "./dialog.js";
import { timeElement } from "./times.js";

const MAX_LENGTH = 10_000;

let session;
let notes = [];
let handleChange = () => {};
let show = () => {};

/** `changed(seq)` is called when the notes of an event are other ones, `jump(moment)` when a person wants to go to one. */
export function startNotes(changed, jump) {
  handleChange = changed;
  show = jump;
}

export async function loadNotes(id) {
  session = id;
  notes = [];
  const found = await read(`/sessions/${id}/notes`);
  if (session !== id) return;
  notes = found.notes;
  drawAll();
}

export const allNotes = () => notes;

export const notesOf = (seq) => notes.filter((note) => note.seq === seq);

function put(note) {
  notes = [...notes.filter(({ id }) => id !== note.id), note].sort((a, b) => a.time - b.time || a.id - b.id);
  drawAll();
  handleChange(note.seq);
}

function remove(note) {
  notes = notes.filter(({ id }) => id !== note.id);
  drawAll();
  handleChange(note.seq);
}

/** One note, with what can be done with it. */
export function noteElement(note, withPlace = false) {
  const made = element("li", "a-note");
  const head = element("p", "note-head");
  if (withPlace) {
    const place = button("link", "");
    place.append(timeElement(note.time));
    place.addEventListener("click", () => show(note.seq === null ? { time: note.time } : { seq: note.seq }));
    head.append(place, " ");
  }
  const when = timeElement(note.edited ?? note.written, note.edited === null ? "note" : "note, edited");
  const edit = button("link", "Edit");
  const drop = button("link", "Delete");
  head.append(when, " ", edit, " ", drop);
  made.append(head, element("p", "note-text", note.text));
  const path = `/sessions/${session}/notes/${note.id}`;
  edit.addEventListener("click", () => {
    const form = noteForm(note.text, async (text) => put(await change("PATCH", path, { text })), () => {
      made.replaceWith(noteElement(note, withPlace));
    });
    made.replaceChildren(form);
    form.querySelector("textarea").focus();
  });
  drop.addEventListener("click", () =>
    confirmBy({
      title: "Delete this note?",
      text: note.text.length > 200 ? `${note.text.slice(0, 200)} …` : note.text,
      yes: "Delete it",
      run: async () => {
        await change("DELETE", path);
        remove(note);
      },
    }));
  return made;
}

/** A form for a note. `save` may fail, which is told; `cancel` puts back what was there. */
function noteForm(text, save, cancel) {
  const form = element("form", "note-form");
  const box = element("textarea");
  box.rows = 2;
  box.maxLength = MAX_LENGTH;
  box.value = text;
  box.setAttribute("aria-label", "Note");
  const ok = element("button", "main", "Save");
  ok.type = "submit";
  const no = button("", "Cancel");
  const row = element("div", "row");
  const problem = element("p", "note");
  problem.dataset.state = "bad";
  problem.setAttribute("role", "alert");
  row.append(ok, no);
  form.append(box, row, problem);
  const submit = async (event) => {
    event?.preventDefault();
    if (box.value.trim() === "") return setText(problem, "A note needs a text.");
    ok.disabled = true;
    try {
      await save(box.value);
    } catch (error) {
      setText(problem, `Not saved. ${error.message}`);
    } finally {
      ok.disabled = false;
    }
  };
  form.addEventListener("submit", submit);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
    if (event.key !== "Escape") return;
    event.stopPropagation();
    cancel();
  });
  no.addEventListener("click", cancel);
  return form;
}

/** Opens a form in `place` for a new note on a moment. */
export function writeNote(place, at, done = () => {}) {
  const id = session;
  const close = () => {
    place.replaceChildren();
    done();
  };
  const form = noteForm("", async (text) => {
    const note = await change("POST", `/sessions/${id}/notes`, { at, text });
    close();
    if (session === id) put(note);
  }, close);
  place.replaceChildren(form);
  form.querySelector("textarea").focus();
}

function drawAll() {
  const box = byId("all-notes");
  box.hidden = notes.length === 0;
  setText(box.querySelector("summary"), notes.length === 1 ? "1 note" : `${notes.length} notes`);
  box.querySelector("ul").replaceChildren(...notes.map((note) => noteElement(note, true)));
}
