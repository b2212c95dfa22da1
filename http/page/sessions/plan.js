// "Go back to here": first the plan, with a box for each value and each application, and only then something is sent.

import { button, clockText, element, hueOf } from "../dom.js";
import { change, read } from "./api.js";
import { openDialog } from "./dialog.js";
import { badge } from "./people.js";
import { placeText, timeElement } from "./times.js";

const MAX_TEXT = 160;

const REASONS = {
  "no-state": "it logged no state to go back to",
  "too-large": "its state is too large",
  "damaged": "the file is damaged there",
};

/** Shows what would be sent to go back to a moment of a session. `own` is the instance whose event a person came from. */
export async function openPlan(session, moment, own) {
  const at = placeText(moment);
  let plan;
  try {
    plan = await read(`/sessions/${session}/state?at=${encodeURIComponent(at)}`);
  } catch (error) {
    return openDialog({
      title: "Go back",
      build: (body) => body.append(element("p", "", error.message)),
      buttons: [["Close", ""]],
    });
  }
  const values = plan.values.map((value) => ({ value, box: checkBox(true) }));
  const instances = plan.instances.map((instance) => ({ instance, box: checkBox(instance.restorable) }));
  const isEmpty = values.length + instances.length === 0;
  let send;
  const count = () => {
    const number = [...values, ...instances].filter(({ box }) => box.checked).length;
    send.textContent = number === 1 ? "Send 1 message" : `Send ${number} messages`;
    send.disabled = number === 0;
  };
  openDialog({
    title: `Go back to ${clockText(plan.time)}`,
    build(body, buttons) {
      send = buttons.lastElementChild;
      body.append(
        element(
          "p",
          "",
          isEmpty
            ? "Nothing was valid yet, and no application had logged a state: there is nothing to send."
            : "These messages go to everybody on the bus. What people look at changes. Nothing has been sent yet.",
        ),
        ...onlyOwn(own, values, instances, count),
        ...groupOf("What was valid", values, valueLine),
        ...groupOf("Applications, at their last state before", instances, instanceLine),
      );
      if (instances.length > 0) {
        body.append(
          element(
            "p",
            "note",
            "In the original environment the menu starts an application that does not run any more. Elsewhere nobody may answer.",
          ),
        );
      }
      for (const { box } of [...values, ...instances]) box.addEventListener("change", count);
      if (!isEmpty) count();
    },
    buttons: isEmpty ? [["Close", ""]] : [
      ["Cancel", ""],
      ["Send", "main", async (tell) => {
        const result = await change("POST", `/sessions/${session}/goto`, {
          at: moment.seq ?? at,
          values: values.filter(({ box }) => box.checked).map(({ value }) => value.key),
          instances: instances.filter(({ box }) => box.checked).map(({ instance }) => instance.instance),
        });
        tell(resultText(result), "good");
        send.disabled = true;
        send.previousElementSibling.textContent = "Close";
        return false;
      }],
    ],
  });
}

/** Most often a person wants one application back; and by one more press all of it again. */
function onlyOwn(own, values, instances, count) {
  const found = instances.find(({ instance }) => instance.instance === own && instance.restorable);
  if (found === undefined || values.length + instances.length === 1) return [];
  const only = button("", "Only the application of this event");
  only.setAttribute("aria-pressed", "false");
  only.addEventListener("click", () => {
    const isOnly = only.getAttribute("aria-pressed") !== "true";
    only.setAttribute("aria-pressed", String(isOnly));
    for (const { box } of [...values, ...instances]) {
      box.checked = !box.disabled && (!isOnly || box === found.box);
    }
    count();
  });
  const row = element("div", "row");
  row.append(only);
  return [row];
}

/** What was sent, never what was restored: nobody can know that. */
function resultText({ sent, skipped }) {
  const skippedText = skipped.length === 0
    ? ""
    : ` Left out: ${
      skipped.map(({ instance, reason }) => `${instance} (${REASONS[reason] ?? reason})`).join(", ")
    }.`;
  return `${sent.length} ${
    sent.length === 1 ? "message was" : "messages were"
  } sent. Whether the applications follow is up to them.${skippedText}`;
}

function checkBox(isOn) {
  const box = element("input");
  box.type = "checkbox";
  box.checked = isOn;
  box.disabled = !isOn;
  return box;
}

function groupOf(title, items, lineOf) {
  if (items.length === 0) return [];
  const group = element("fieldset");
  group.append(element("legend", "", title), ...items.map(lineOf));
  return [group];
}

function line(box, ...parts) {
  const label = element("label", "plan-line");
  const text = element("span", "plan-text");
  text.append(...parts);
  label.append(box, text);
  return label;
}

function valueLine({ value, box }) {
  const type = element("span", "type", value.type);
  type.style.setProperty("--hue", hueOf(value.type));
  const text = value.text.length > MAX_TEXT ? `${value.text.slice(0, MAX_TEXT)} …` : value.text;
  const target = value.target === null ? [] : [element("span", "more-of-it", `only for ${value.target}`)];
  return line(box, timeElement(value.time), " ", type, " ", element("bdi", "text", text), ...target);
}

function instanceLine({ instance, box }) {
  const reason = instance.restorable
    ? []
    : [element("span", "more-of-it bad", `not possible: ${REASONS[instance.reason] ?? instance.reason}`)];
  return line(
    box,
    timeElement(instance.time),
    " ",
    badge(instance.application, instance.instance),
    " ",
    element("bdi", "action", instance.action),
    ...reason,
  );
}
