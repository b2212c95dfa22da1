// Replay: the question before it, and the bar while it goes on.

import { button, byId, clockText, element, hueOf, numberText, setState, setText } from "../dom.js";
import { change, Refusal } from "./api.js";
import { openDialog } from "./dialog.js";
import { kindText } from "./strip.js";
import { placeText, utcText } from "./times.js";

/** They mean something to others, so they are sent only when a person wants them. */
const LEFT_OUT = ["log", "ready", "reload"];
const SPEEDS = ["0.1", "0.25", "0.5", "1", "2", "5", "10", "100", "max"];
const LONGEST_PAUSE_MS = 5000;

const bar = byId("replay-bar");
let parts;
let status = null;
/** A person moves the slider: it does not run away meanwhile. */
let isSeeking = false;
let handleStatus = () => {};

const speedText = (speed) => speed === "max" ? "as fast as it goes" : `${speed} ×`;

function speedBox(value) {
  const box = element("select");
  box.append(...SPEEDS.map((speed) => new Option(speedText(speed), speed)));
  box.value = value;
  return box;
}

function choice(text, isOn) {
  const label = element("label", "check");
  const box = element("input");
  box.type = "checkbox";
  box.checked = isOn;
  label.append(box, ` ${text}`);
  return { label, box };
}

/** Asks how, and starts. `kinds` are the types of the session. */
export function openReplay(session, moment, kinds) {
  const speed = speedBox("1");
  const restore = choice("first send what was valid there: subject, sample, variables", moment !== undefined);
  const pauses = choice("make long pauses short (5 s)", true);
  const loop = choice("begin again at the end", false);
  const paused = choice("start paused, to go step by step", false);
  const types = kinds.map((type) => ({ type, ...choice(kindText(type), !LEFT_OUT.includes(type)) }));
  openDialog({
    title: moment === undefined ? `Replay session ${session.id}` : `Replay from ${clockText(moment.time)}`,
    build(body) {
      const warning = element(
        "p",
        "",
        "The messages go to everybody on the bus again. What people look at changes.",
      );
      const speedLabel = element("label", "check", "Speed ");
      speedLabel.append(speed);
      const group = element("fieldset");
      group.append(element("legend", "", "Kinds of messages"));
      const row = element("div", "row wrap");
      for (const { label, type } of types) {
        label.style.setProperty("--hue", hueOf(type));
        row.append(label);
      }
      group.append(
        row,
        element(
          "p",
          "note",
          "log, ready and reload are left out unless you choose them: applications act on them.",
        ),
      );
      body.append(warning, speedLabel, restore.label, pauses.label, paused.label, loop.label);
      if (types.length > 0) body.append(group);
    },
    buttons: [["Cancel", ""], ["Start the replay", "main", async () => {
      const left = types.filter(({ box }) => !box.checked).map(({ type }) => type);
      if (types.length > 0 && left.length === types.length) throw new Refusal("Choose at least one kind.");
      // Not by what is chosen: a session may have more kinds than are shown here.
      const except = [...left, ...LEFT_OUT.filter((type) => !kinds.includes(type))];
      const begun = await change("POST", "/replay", {
        session: session.id,
        ...(moment === undefined ? {} : { from: moment.seq ?? placeText(moment) }),
        speed: speed.value === "max" ? "max" : Number(speed.value),
        restore: restore.box.checked,
        loop: loop.box.checked,
        paused: paused.box.checked,
        ...(pauses.box.checked ? { maxGapMs: LONGEST_PAUSE_MS } : {}),
        except,
      });
      showReplay(begun);
      setTimeout(() => parts?.play.focus(), 0);
    }]],
  });
}

async function act(method, path, body) {
  try {
    showReplay(await change(method, path, body));
    setText(parts.note, "");
  } catch (error) {
    if (parts !== undefined) setText(parts.note, error.message);
  }
}

function build() {
  const title = element("strong", "replay-title");
  const play = button("", "");
  const step = button("", "Step");
  step.title = "Send the next message";
  const speed = speedBox("1");
  speed.setAttribute("aria-label", "Speed of the replay");
  const seek = element("input", "seek");
  seek.type = "range";
  seek.min = "0";
  seek.max = "1000";
  seek.setAttribute("aria-label", "Place of the replay");
  const time = element("output", "time");
  const facts = element("span", "facts");
  const end = button("danger", "End");
  const note = element("p", "note");
  note.dataset.state = "bad";
  note.setAttribute("role", "alert");
  play.addEventListener("click", togglePause);
  step.addEventListener("click", () => act("POST", "/replay/step", {}));
  speed.addEventListener(
    "change",
    () => act("PATCH", "/replay", { speed: speed.value === "max" ? "max" : Number(speed.value) }),
  );
  seek.addEventListener("input", () => {
    isSeeking = true;
    setText(time, clockText(seekTime()));
  });
  seek.addEventListener("change", async () => {
    await act("PATCH", "/replay", { at: utcText(seekTime()) });
    isSeeking = false;
  });
  end.addEventListener("click", () => act("DELETE", "/replay"));
  bar.replaceChildren(title, play, step, speed, seek, time, facts, end, note);
  return { title, play, step, speed, seek, time, facts, end, note };
}

function seekTime() {
  const { from, to } = status;
  return from + (to - from) * Number(parts.seek.value) / 1000;
}

/** Pauses the replay, or lets it go on. */
export function togglePause() {
  if (status === null || status.state === "ended") return;
  act("PATCH", "/replay", { paused: status.state === "playing" });
}

/** Shows how the replay is getting on; null: there is none. */
export function showReplay(now) {
  const wasOn = status !== null && status.state !== "ended";
  status = now;
  const isOn = status !== null && status.state !== "ended";
  if (wasOn && !isOn && status !== null) {
    tellEnd(
      status.failed === null
        ? `The replay of session ${status.session} has ended: ${numberText(status.sent)} messages were sent.`
        : `The replay of session ${status.session} could not go on: ${status.failed}`,
      status.failed === null ? "" : "bad",
    );
  }
  bar.hidden = !isOn;
  if (isOn) tellEnd("", "");
  handleStatus(status, isOn);
  if (!isOn) {
    bar.replaceChildren();
    parts = undefined;
    return;
  }
  parts ??= build();
  const isPlaying = status.state === "playing";
  setText(parts.title, `Replay of session ${status.session}`);
  setText(parts.play, isPlaying ? "Pause" : "Go on");
  const speed = status.speed === null ? "max" : String(status.speed);
  if (document.activeElement !== parts.speed) {
    if (![...parts.speed.options].some(({ value }) => value === speed)) {
      parts.speed.append(new Option(speedText(speed), speed));
    }
    parts.speed.value = speed;
  }
  if (!isSeeking) {
    parts.seek.value = String(
      Math.round((status.time - status.from) / Math.max(1, status.to - status.from) * 1000),
    );
    setText(parts.time, clockText(status.time));
    parts.seek.setAttribute("aria-valuetext", clockText(status.time));
  }
  const missed = status.missed === 0 ? "" : `, ${numberText(status.missed)} missing in the recording`;
  const late = status.late === 0 ? "" : `, late ${status.late} times`;
  setText(
    parts.facts,
    `${numberText(status.sent)} sent, ${numberText(status.leftOut)} left out${missed}${late}`,
  );
}

/** Stands at the top of the page until the next replay begins. */
const tellEnd = (text, state) => setState(byId("replay-note"), state, text);

/** `onStatus(status, isOn)` is called with every status that comes. */
export function startReplay(onStatus) {
  handleStatus = onStatus;
}
