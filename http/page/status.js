// Whether the gateway answers, whether its broker is there, and how many clients are connected.

import { byId, setState, setText } from "./dom.js";
import { ask } from "./gateway.js";

const POLL_MS = 1000;
const POLL_DEADLINE_MS = 1500;
const TICK_MS = 200;
/** Without a sign of life for so long, what the page shows is no longer called live. */
const STALE_MS = 2200;

/** What the stream says of itself. */
let link = { state: "wait", text: "connecting …" };
let lastSignAt = performance.now();
let lastTickAt = performance.now();
let isStale = false;
let pollTimer;

/** Something came from the gateway. */
export function noteSign() {
  lastSignAt = performance.now();
  if (isStale) draw();
}

/** The stream has another state. */
export function setLink(state, text) {
  link = { state, text };
  draw();
}

function draw() {
  isStale = link.state === "good" && performance.now() - lastSignAt > STALE_MS;
  if (isStale) setState(byId("link"), "bad", "gateway does not answer");
  else setState(byId("link"), link.state, link.text);
  document.body.classList.toggle("stale", isStale || link.state === "bad");
}

function tick() {
  const now = performance.now();
  // The page itself stood still, in the background or in a sleeping computer: nothing is known before it has asked again.
  if (now - lastTickAt > STALE_MS) {
    lastSignAt = now;
    poll();
  }
  lastTickAt = now;
  draw();
}

async function poll() {
  clearTimeout(pollTimer);
  pollTimer = undefined;
  // Nobody looks. The stream goes on.
  if (document.hidden) return;
  const broker = byId("broker");
  try {
    const [ready, subscribers] = await Promise.all([
      ask("/readyz", POLL_DEADLINE_MS),
      ask("/messages/subscribers", POLL_DEADLINE_MS),
    ]);
    noteSign();
    if (ready.status === 401 || subscribers.status === 401) throw new Error("no token");
    const { broker: isUp } = JSON.parse(ready.text);
    setState(broker, isUp ? "good" : "bad", isUp ? "broker connected" : "broker away");
    setClients(subscribers.isOk ? JSON.parse(subscribers.text) : {});
  } catch {
    setState(broker, "wait", "broker ?");
    setClients({});
  }
  pollTimer ??= setTimeout(poll, POLL_MS);
}

function setClients(numbers) {
  for (const kind of ["longpoll", "sse", "websocket"]) setText(byId(kind), String(numbers[kind] ?? "–"));
}

/** Asks at once, and again and again while somebody looks. */
export function startStatus() {
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    lastSignAt = performance.now();
    poll();
  });
  poll();
}

export const pollNow = poll;
