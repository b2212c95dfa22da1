// The form that sends a message.

import { sendText } from "./bus.js";
import { byId, numberText, setState } from "./dom.js";

/** Errors that say all of it in their own words. */
const UNSENT = new Set(["gateway-away", "timeout"]);

const TEMPLATES = {
  subject: { type: "subject", subject: 119 },
  sample: { type: "sample", sample: [119, 31, 207] },
  log: {
    type: "log",
    action: "what was done",
    state: {},
    pid: "instance-1",
    application: "live page",
    time: 0,
  },
  reload: { type: "reload", target: "instance-1", scenario: {} },
  variables: { type: "variables", variables: ["age", "weight"] },
  visualization: { type: "Visualization", source: "live page", scenario: {} },
  ready: { type: "ready", source_pid: 1, source_id: "live page" },
};

const note = byId("send-note");
const textBox = byId("text");
const templateBox = byId("template");

function fillTemplate() {
  const template = TEMPLATES[templateBox.value];
  if (template === undefined) return;
  const message = template.type === "log" ? { ...template, time: Math.round(Date.now() / 1000) } : template;
  textBox.value = JSON.stringify(message, null, 2);
  setState(note, "", "");
}

async function send() {
  const text = textBox.value;
  let message;
  try {
    message = JSON.parse(text);
  } catch (error) {
    return setState(note, "bad", `Not sent. This is not JSON: ${error.message}`);
  }
  setState(note, "", "Sending …");
  try {
    const { isConfirmed, seq } = await sendText(text);
    if (!isConfirmed) {
      return setState(note, "warn", "Sent, but it has not come back from the bus within 3 s.");
    }
    const hasType = typeof message.type === "string";
    setState(
      note,
      hasType ? "good" : "warn",
      `Sent. It is message ${numberText(seq)} of the bus.` +
        (hasType ? "" : " It has no type, so most applications will ignore it."),
    );
  } catch ({ code, message }) {
    setState(note, "bad", UNSENT.has(code) ? message : `Not sent. ${message} (${code})`);
  }
}

/** Puts a message into the box, as it stands. */
export function editMessage(text) {
  templateBox.value = "";
  textBox.value = text;
  setState(note, "", "");
  textBox.focus();
  byId("send-form").scrollIntoView({ block: "nearest" });
}

/** Fills the box, and sends when the person says so. */
export function startSend() {
  for (const name of Object.keys(TEMPLATES)) templateBox.append(new Option(name, name));
  templateBox.append(new Option("another", ""));
  templateBox.addEventListener("change", fillTemplate);
  byId("send-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  textBox.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    send();
  });
  fillTemplate();
}
