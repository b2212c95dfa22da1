// The notice that this bus is recorded, its switch, and the sign that a replay runs. Both pages have it.

import { button, byId, element, numberText, setText } from "../dom.js";
import { ask } from "../gateway.js";

const POLL_MS = 2000;
/** While a replay goes on. */
const FAST_MS = 500;
/** A gateway without an archive is asked rarely. */
const RARE_MS = 60_000;
const DEADLINE_MS = 5000;

const box = byId("recording");
let parts;
let timer;
let handleAnswer = () => {};

/** `onAnswer(recording)` is called with what comes, undefined without an archive. */
export function startRecording(onAnswer = () => {}) {
  handleAnswer = onAnswer;
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) pollRecording();
  });
  return pollRecording();
}

/** Asks now, and again while somebody looks. */
export async function pollRecording() {
  clearTimeout(timer);
  let next = POLL_MS;
  if (!document.hidden) {
    try {
      const { status, isOk, text } = await ask("/recording", DEADLINE_MS);
      if (isOk) {
        const recording = JSON.parse(text);
        draw(recording);
        if (recording.replay !== null && recording.replay.state !== "ended") next = FAST_MS;
      } else if (status === 404) {
        draw(undefined);
        next = RARE_MS;
      }
    } catch {
      // Others tell that the gateway does not answer.
    }
  }
  clearTimeout(timer);
  timer = setTimeout(pollRecording, next);
}

function draw(recording) {
  for (const link of document.querySelectorAll(".with-archive")) link.hidden = recording === undefined;
  const recorder = recording?.recorder ?? null;
  const replay = recording?.replay ?? null;
  const isReplaying = replay !== null && replay.state !== "ended";
  box.hidden = (recorder === null || recorder.state === "ended") && !isReplaying;
  handleAnswer(recording);
  if (box.hidden) return;
  parts ??= build();
  parts.recorder.hidden = recorder === null || recorder.state === "ended";
  if (recorder !== null) {
    parts.recorder.dataset.state = stateOf(recorder);
    setText(parts.text, textOf(recorder, recording.path));
    parts.text.title = recorder.trouble ??
      `Session ${recorder.session}: ${numberText(recorder.onDisk)} messages on disk`;
    parts.toggle.setAttribute("aria-pressed", String(recorder.paused));
    setText(parts.toggle, recorder.paused ? "Record again" : "Pause recording");
  }
  parts.replay.hidden = !isReplaying;
}

const stateOf = ({ state }) => state === "recording" ? "good" : state === "paused" ? "warn" : "bad";

function textOf({ state, lost }, path) {
  const file = path.replace(/^.*[\\/]/, "");
  const number = Object.values(lost).reduce((sum, n) => sum + n, 0);
  const lostText = number === 0 ? "" : `, ${numberText(number)} lost`;
  switch (state) {
    case "paused":
      return "recording is paused";
    case "full":
      return `no room to record to ${file}${lostText}`;
    case "failed":
      return `cannot record to ${file}${lostText}`;
    default:
      return `recording to ${file}${lostText}`;
  }
}

function build() {
  const recorder = element("p", "pill record");
  recorder.setAttribute("role", "status");
  const text = element("span");
  recorder.append(text);
  const toggle = button("", "");
  toggle.addEventListener("click", async () => {
    const paused = toggle.getAttribute("aria-pressed") !== "true";
    try {
      await ask("/recording", DEADLINE_MS, {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ paused }),
      });
    } finally {
      pollRecording();
    }
  });
  const replay = element("p", "pill replay-sign", "a replay runs");
  replay.setAttribute("role", "status");
  replay.dataset.state = "bad";
  const group = element("span", "row");
  group.append(recorder, toggle);
  box.replaceChildren(group, replay);
  return { recorder: group, text, toggle, replay };
}
