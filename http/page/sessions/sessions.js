// The Sessions page. Each part of it is a file of its own; here they are joined.

import { byId, setText } from "../dom.js";
import { watchToken } from "../gateway.js";
import { read } from "./api.js";
import { copyText } from "./clipboard.js";
import {
  closeEvents,
  jumpTo,
  lookForNew,
  openEvents,
  redrawNotes,
  setApplications,
  setCount,
  setGaps,
  startEvents,
} from "./events.js";
import { allNotes, loadNotes, startNotes, writeNote } from "./notes.js";
import { applicationNames, setInstances } from "./people.js";
import { openPlan } from "./plan.js";
import { pollRecording, startRecording } from "./recording.js";
import { openReplay, showReplay, startReplay, togglePause } from "./replay.js";
import { forgetHead, showHead } from "./session_head.js";
import {
  markOpen,
  refreshList,
  removeSession,
  replaceSession,
  searchText,
  startList,
} from "./session_list.js";
import { forgetStrip, markTime, setNotes, showStrip, startStrip } from "./strip.js";
import { linkTo, momentOfAddress, utcText } from "./times.js";

const REFRESH_MS = 3000;
const BUCKETS = 240;
/** Behind every message. */
const LAST = "9999-12-31";

/** The session that is open. */
let opened;
let kinds = [];
let attempt = 0;

const tellTrouble = (text) => setText(byId("trouble"), text);

async function openSession(id, moment) {
  if (id === undefined) return closeSession();
  if (opened?.id === id) return moment === undefined ? undefined : jumpTo(moment);
  const mine = ++attempt;
  try {
    const words = searchText();
    const [session, timeline, instances, hits] = await Promise.all([
      read(`/sessions/${id}`),
      read(`/sessions/${id}/timeline?buckets=${BUCKETS}`),
      readInstances(id),
      words === "" ? { events: [] } : read(`/sessions/${id}/events?limit=1&q=${encodeURIComponent(words)}`),
    ]);
    if (mine !== attempt) return;
    await loadNotes(id);
    if (mine !== attempt) return;
    opened = session;
    byId("session").hidden = false;
    byId("nothing").hidden = true;
    document.body.classList.add("has-session");
    document.title = `${session.name} – sessions`;
    markOpen(id);
    forgetHead();
    forgetStrip();
    drawSession(timeline, instances);
    openEvents(id, moment === undefined && hits.events.length > 0 ? words : "");
    await jumpTo(moment);
    tellTrouble("");
  } catch (error) {
    if (mine === attempt) tellTrouble(error.message);
  }
}

/** All instances of a session. Before its first message there is no moment to ask for. */
async function readInstances(id) {
  const plan = await read(`/sessions/${id}/state?at=${LAST}`).catch((error) => {
    if (error.code === "no-entry") return { instances: [] };
    throw error;
  });
  return plan.instances;
}

function drawSession(timeline, instances) {
  setInstances(instances);
  setApplications(applicationNames());
  kinds = timeline.types.map(({ type }) => type);
  showHead(opened, head);
  setCount(opened.events);
  setGaps(timeline.gaps);
  showStrip(timeline, allNotes());
}

function closeSession() {
  attempt += 1;
  opened = undefined;
  forgetHead();
  forgetStrip();
  closeEvents();
  byId("session").hidden = true;
  byId("nothing").hidden = false;
  document.body.classList.remove("has-session");
  document.title = "Sessions – message bus";
  markOpen(undefined);
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  tellTrouble("");
}

const head = {
  close: () => closeSession(),
  changed(session) {
    if (opened?.id === session.id) showHead(opened = session, head);
    replaceSession(session);
  },
  deleted(id) {
    removeSession(id);
    closeSession();
    byId("session-list").focus();
  },
  async begun(session) {
    await refreshList();
    choose(session.id);
  },
  replay: () => openReplay(opened, undefined, kinds),
};

/** A person chooses a session; its address goes into the address bar. */
function choose(id) {
  if (id === undefined) return closeSession();
  history.pushState(null, "", linkTo(id));
  openSession(id);
}

function followAddress() {
  const found = momentOfAddress();
  if (found === undefined) return closeSession();
  return openSession(found.session, found.moment);
}

/** A session that is being recorded grows. */
async function refresh() {
  if (document.hidden || opened === undefined || opened.ended !== null) return;
  const { id } = opened;
  try {
    const [session, timeline, instances] = await Promise.all([
      read(`/sessions/${id}`),
      read(`/sessions/${id}/timeline?buckets=${BUCKETS}`),
      readInstances(id),
    ]);
    if (opened?.id !== id) return;
    opened = session;
    drawSession(timeline, instances);
    replaceSession(session);
    await lookForNew();
    tellTrouble("");
  } catch (error) {
    if (opened?.id === id) tellTrouble(error.message);
  }
}

function handleMoment(what, time, node) {
  const { id } = opened;
  if (what === "show") jumpTo({ time });
  else if (what === "goto") openPlan(id, { time });
  else if (what === "replay") openReplay(opened, { time }, kinds);
  else if (what === "note") writeNote(byId("strip-note"), utcText(time), () => byId("strip").focus());
  else if (what === "link") copyText(linkTo(id, { time }), node);
}

function handleKey(event) {
  const isTyping = event.target.closest("input, textarea, select") !== null;
  if (event.ctrlKey || event.metaKey || event.altKey || byId("dialog").open) return;
  if (event.key === "Escape" && isTyping) byId(opened === undefined ? "session-list" : "events").focus();
  else if (isTyping) return;
  else if (event.key === "/") byId(opened === undefined ? "search-text" : "events-text").focus();
  else if (event.key === "p") togglePause();
  else return;
  event.preventDefault();
}

watchToken(() => {
  refreshList();
  pollRecording();
  followAddress();
});
document.addEventListener("keydown", handleKey);
addEventListener("popstate", followAddress);
startNotes((seq) => {
  redrawNotes(seq);
  setNotes(allNotes());
}, jumpTo);
startStrip(handleMoment);
startEvents({
  goTo: ({ seq, instance }) => openPlan(opened.id, { seq }, instance),
  replay: ({ seq, time }) => openReplay(opened, { seq, time }, kinds),
  link: ({ seq }) => copyText(linkTo(opened.id, { seq }), byId("events-note")),
  moved: (time) => markTime("list", time),
});
startReplay((status, isOn) =>
  markTime("replay", isOn && status.session === opened?.id ? status.time : undefined)
);
startList(choose, tellTrouble);
startRecording((recording) => showReplay(recording?.replay ?? null));
followAddress();
setInterval(refresh, REFRESH_MS);
