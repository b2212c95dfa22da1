// Saves what is kept and passes the filter, a message a line.

import { byId } from "./dom.js";
import { keptEntries } from "./list.js";

function save() {
  // A line break in a JSON text is never within a string.
  const lines = keptEntries(true).map(({ text }) => text.replace(/[\r\n]+/g, " ") + "\n");
  const address = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `messages-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.ndjson`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export const startSave = () => byId("save").addEventListener("click", save);
