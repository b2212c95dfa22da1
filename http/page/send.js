// The form that sends a message.

import { byId, numberText, setState } from "./dom.js";
import { ask } from "./gateway.js";

const CONFIRM_S = 3;
const DEADLINE_MS = 6000;

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
  let answer;
  try {
    answer = await ask(`/messages?confirm=${CONFIRM_S}`, DEADLINE_MS, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: text,
    });
  } catch (error) {
    const isLate = error.name === "AbortError";
    return setState(
      note,
      "bad",
      isLate
        ? `No answer within ${DEADLINE_MS / 1000} s: nobody knows whether it was sent.`
        : "Not sent: the gateway does not answer.",
    );
  }
  if (answer.status === 200) {
    const { count } = JSON.parse(answer.text);
    const hasType = typeof message.type === "string";
    return setState(
      note,
      hasType ? "good" : "warn",
      `Sent. It is message ${numberText(count)} of the bus.` +
        (hasType ? "" : " It has no type, so most applications will ignore it."),
    );
  }
  if (answer.isOk) {
    return setState(note, "warn", `Sent, but it has not come back from the bus within ${CONFIRM_S} s.`);
  }
  setState(note, "bad", `Not sent. ${problemOf(answer)}`);
}

function problemOf({ status, text }) {
  try {
    const { detail, code } = JSON.parse(text);
    return `${detail} (${code})`;
  } catch {
    return `The answer is ${status}.`;
  }
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
