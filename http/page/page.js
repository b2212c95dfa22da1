// The live page. It asks for everything like any other client. Each part of it is a file of its own; here they are joined.

import { placeParts } from "../client/items.js";
import { startBus } from "./bus.js";
import { byId, numberText, setText } from "./dom.js";
import { startEmpty } from "./empty.js";
import { startFilter } from "./filter.js";
import { watchToken } from "./gateway.js";
import { addGap, addMessage, drawRange, keptEntries, redrawList, startList, togglePause } from "./list.js";
import { noteValue, startNow } from "./now.js";
import { drawNumber, startNumberPlot } from "./number_plot.js";
import { startPeople } from "./people.js";
import { drawPlot, drawTypes } from "./plot.js";
import { startSave } from "./save.js";
import { pollRecording, startRecording } from "./sessions/recording.js";
import { startSend } from "./send.js";
import { noteSign, pollNow, setLink, startStatus } from "./status.js";
import { countUnread, startUnread } from "./unread.js";

const DRAW_MS = 500;

let missed = 0;
let isMissedUnknown = false;

/** Messages on the bus so far, as far as this page knows. */
let total = 0;

const handlers = {
  message: ({ text, time, place, seq, isEarlier }) => {
    total = seq ?? total + 1;
    addMessage({ text, time, place, seq, isLive: !isEarlier });
    countUnread();
    noteValue();
    noteSign();
  },
  gap: ({ missed: number, reason, place }) => {
    if (number === null) isMissedUnknown = true;
    else missed += number;
    if (place !== undefined) total = placeParts(place)[1];
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
startFilter(() => {
  redrawList();
  drawTypes();
});
startList(drawNumbers);
startSend();
startStatus();
startPeople();
startRecording();
startSave();
startUnread();
startNow();
startEmpty();
startNumberPlot(keptEntries);
startBus(handlers);
setInterval(() => {
  drawTypes();
  drawPlot();
  drawNumber();
  drawRange(total);
}, DRAW_MS);
