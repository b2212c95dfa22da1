// The one dialog of the page: a question, with what a person can choose in it.

import { button, byId, element } from "../dom.js";

const dialog = byId("dialog");
/** Who opened it gets the focus back. */
let opener;

/**
 * Opens the dialog. `build(body, close)` fills it; `buttons` are `[text, kind, do]`, of which `do` may answer with a promise, and
 * with false to leave the dialog open.
 */
export function openDialog({ title, build, buttons }) {
  opener = document.activeElement;
  const heading = element("h2", "", title);
  heading.id = "dialog-title";
  const body = element("div", "dialog-body");
  const note = element("p", "note");
  note.setAttribute("role", "alert");
  const row = element("div", "row wrap dialog-buttons");
  const tell = (text, state = "bad") => {
    note.dataset.state = state;
    note.textContent = text;
  };
  for (const [text, kind, run] of buttons) {
    const made = button(kind, text);
    made.addEventListener("click", async () => {
      made.disabled = true;
      try {
        if (await run?.(tell) !== false) closeDialog();
      } catch (error) {
        tell(error.message);
      } finally {
        made.disabled = false;
      }
    });
    row.append(made);
  }
  build(body, row);
  dialog.replaceChildren(heading, body, note, row);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}

export function closeDialog() {
  dialog.close();
}

/** A yes or no. */
export function confirmBy({ title, text, yes, run }) {
  openDialog({
    title,
    build: (body) => body.append(...[text].flat().map((line) => element("p", "", line))),
    buttons: [["Keep it", ""], [yes, "danger", run]],
  });
}

dialog.addEventListener("close", () => {
  if (dialog.open) return; // It is told late: another one may have been opened meanwhile.
  dialog.replaceChildren();
  if (opener?.isConnected) opener.focus();
});
