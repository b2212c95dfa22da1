// What an opened message shows: when it came and from whom, its pictures, its parts, and what can be done with it.

import { ask, BASE, currentToken } from "./gateway.js";
import { sendText } from "./bus.js";
import { button, copyText, element, fullTimeText, numberText } from "./dom.js";
import { senderOf } from "./filter.js";
import { jsonTree } from "./json_tree.js";
import { numbersIn, plotNumber } from "./number_plot.js";
import { picturesOf } from "./pictures.js";
import { editMessage } from "./send.js";
import { SNIPPETS } from "./snippets.js";

const ADDRESS_DEADLINE_MS = 3000;
let addresses;

/** Where the bus is, for programs that are copied. */
export async function whereIsBus() {
  addresses ??= await addressesOfBroker();
  return { url: BASE, hasToken: currentToken() !== "", receiveAddress: addresses.receiveAddress };
}

/** The gateway in the broker's own process knows. With keys, a few lines would not do. */
async function addressesOfBroker() {
  try {
    const { isOk, text } = await ask("/broker", ADDRESS_DEADLINE_MS);
    if (!isOk) return {};
    const { receiveAddress, publicKey } = JSON.parse(text);
    // One that listens everywhere is dialled by the name that this page knows.
    const reachable = receiveAddress.replace("//0.0.0.0:", `//${location.hostname}:`);
    return publicKey === undefined ? { receiveAddress: reachable } : {};
  } catch {
    return {};
  }
}

export function entryBody(entry) {
  const body = element("div", "body");
  body.append(metaOf(entry), ...picturesOf(entry.text), jsonTree(entry.text), actionsOf(entry));
  return body;
}

function metaOf(entry) {
  const sender = senderOf(entry);
  const parts = [
    fullTimeText(entry.time),
    entry.seq === null || entry.seq === undefined ? "" : `message ${numberText(entry.seq)}`,
    sender === "" ? "" : `from ${sender}`,
    `${numberText(entry.text.length)} characters`,
  ];
  return element("p", "meta", parts.filter((part) => part !== "").join(" · "));
}

function actionsOf(entry) {
  const row = element("div", "actions");
  const copy = button("copy", "Copy");
  copy.addEventListener("click", () => copyText(entry.text, copy));
  const group = element("div", "copy-as");
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", "Copy as");
  group.append(element("span", "hint", "as"));
  for (const [name, make] of Object.entries(SNIPPETS)) {
    const as = button("as", name);
    as.addEventListener("click", async () => {
      const text = make(entry.text, await whereIsBus());
      if (text === undefined) as.textContent = `${name}: not with this gateway`;
      else copyText(text, as);
    });
    group.append(as);
  }
  const edit = button("edit", "Edit");
  edit.title = "Put it into the box that sends";
  edit.addEventListener("click", () => editMessage(entry.text));
  const again = button("again", "Send again");
  again.addEventListener("click", async () => {
    again.disabled = true;
    let result;
    try {
      const { seq } = await sendText(entry.text);
      result = seq === undefined ? "Sent" : `Sent as ${numberText(seq)}`;
    } catch (error) {
      result = `Not sent: ${error.message}`;
    }
    again.disabled = false;
    again.textContent = result;
    setTimeout(() => again.textContent = "Send again", 3000);
  });
  row.append(copy, group, edit, again, ...plotChoice(entry));
  return row;
}

function plotChoice(entry) {
  const numbers = numbersIn(entry.text);
  if (numbers.length === 0) return [];
  const select = element("select", "plot-choice");
  select.setAttribute("aria-label", "Plot a number of this type over time");
  select.append(new Option("Plot …", ""));
  for (const { label } of numbers) select.append(new Option(label, label));
  select.addEventListener("change", () => {
    const chosen = numbers.find(({ label }) => label === select.value);
    if (chosen !== undefined) plotNumber(entry.type, chosen);
    select.value = "";
  });
  return [select];
}
