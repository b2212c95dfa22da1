// The live page. It asks for everything like any other client. Each part of it is a file of its own; here they are joined.

import { byId, numberText, setText } from "./dom.js";
import { startBus } from "./bus.js";
import { watchToken } from "./gateway.js";
import { addGap, addMessage, redrawList, startList, togglePause } from "./list.js";
import { startPeople } from "./people.js";
import { drawPlot, drawTypes } from "./plot.js";
import { pollRecording, startRecording } from "./sessions/recording.js";
import { startSend } from "./send.js";
import { noteSign, pollNow, setLink, startStatus } from "./status.js";

const DRAW_MS = 500;

const filterType = byId("filter-type");
let missed = 0;
let isMissedUnknown = false;

/** Messages on the bus so far, as far as this page knows. */
let total = 0;

const handlers = {
  message: ({ text, time, place, seq, isEarlier }) => {
    total = seq ?? total + 1;
    addMessage({ text, time, place, seq, isLive: !isEarlier });
    noteSign();
  },
  gap: ({ missed: number, reason }) => {
    if (number === null) isMissedUnknown = true;
    else missed += number;
    addGap(number, reason);
  },
  state: setLink,
};

function drawNumbers() {
  setText(byId("total"), numberText(total));
  const known = numberText(missed);
  setText(byId("missed"), !isMissedUnknown ? known : missed === 0 ? "some" : `> ${known}`);
  byId("missed-box").dataset.state = missed > 0 || isMissedUnknown ? "bad" : "good";
}

function chooseType(name) {
  filterType.value = filterType.value === name ? "" : name;
  handleType();
}

function handleType() {
  redrawList();
  drawTypes(chooseType);
}

function handleKey(event) {
  const isTyping = event.target.closest("input, textarea, select") !== null;
  if (event.key === "Escape" && isTyping) {
    byId("list").focus();
    // The browser would empty the filter, and tell nobody.
    event.preventDefault();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") byId("filter").focus();
  else if (event.key === "p") togglePause();
  else if (event.key === "s") byId("text").focus();
  else return;
  event.preventDefault();
}

watchToken(() => {
  startBus(handlers);
  pollNow();
  pollRecording();
});
document.addEventListener("keydown", handleKey);
filterType.addEventListener("change", handleType);
startList(drawNumbers);
startSend();
startStatus();
startPeople();
startRecording();
startBus(handlers);
setInterval(() => {
  drawTypes(chooseType);
  drawPlot();
}, DRAW_MS);
