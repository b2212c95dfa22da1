// The live page. It asks for everything like any other client: history, event stream, and the service routes.
//
// Kept smooth by one rule: what arrives is put into arrays, and the document is touched once per animation frame, whatever
// the number of messages.

const PREFIX = document.documentElement.dataset.prefix;
/** Messages that are kept here to filter and scroll; the list shows the newest of those that pass the filter. */
const MAX_KEPT = 2000;
const MAX_KEPT_LENGTH = 16_000_000;
const MAX_SHOWN = 300;
const PREVIEW_LENGTH = 400;
const PLOT_SECONDS = 60;
const RATE_SECONDS = 5;
const STATUS_MS = 2000;
const TOKEN_KEY = "message-bus-token";
/** What groups all types beyond these: a hostile sender can make up a new type with each message. */
const MAX_TYPES = 30;
const OTHER_TYPES = "(other)";
const NO_TYPE = "(no type)";
/** Hues of the seven kinds, far from each other. */
const HUES = {
  subject: 210,
  sample: 150,
  log: 265,
  reload: 25,
  variables: 330,
  visualization: 90,
  ready: 185,
};

const TEMPLATES = {
  subject: { type: "subject", subject: 119 },
  sample: { type: "sample", sample: [119, 31, 207] },
  log: {
    type: "log",
    action: "what was done",
    state: {},
    pid: "instance-1",
    application: "monitor",
    time: 0,
  },
  reload: { type: "reload", target: "instance-1", scenario: {} },
  variables: { type: "variables", variables: ["age", "weight"] },
  visualization: { type: "Visualization", source: "monitor", scenario: {} },
  ready: { type: "ready", source_pid: 1, source_id: "monitor" },
};

const byId = (id) => document.getElementById(id);
const list = byId("list");
const filterInput = byId("filter");
const filterType = byId("filter-type");
const pauseButton = byId("pause");

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function setState(node, state, text) {
  if (node.dataset.state !== state) node.dataset.state = state;
  setText(node, text);
}

// --- token ---

let token = sessionStorage.getItem(TOKEN_KEY) ?? "";
/** The token may stand behind the #, which goes to no server; it does not stay in the address bar either. */
function takeTokenFromAddress() {
  const found = /(?:^#|&)token=([^&]+)/.exec(location.hash)?.[1];
  if (found === undefined) return;
  token = decodeURIComponent(found);
  sessionStorage.setItem(TOKEN_KEY, token);
  history.replaceState(null, "", location.pathname);
}

function ask(path, init = {}) {
  const headers = { ...init.headers, ...(token === "" ? {} : { authorization: `Bearer ${token}` }) };
  return fetch(PREFIX + path, { ...init, headers, cache: "no-store" });
}

function askForToken() {
  const form = byId("token-form");
  if (!form.hidden) return;
  setText(byId("token-note"), token === "" ? "" : "The gateway does not take this token.");
  form.hidden = false;
  byId("token").focus();
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  sessionStorage.setItem(TOKEN_KEY, token);
  byId("token").value = "";
  byId("token-form").hidden = true;
  connect();
  updateStatus();
});

// --- what is known ---

/** Newest last. An entry is a message or a gap. */
let kept = [];
let keptLength = 0;
/** Came while paused, or since the last frame. */
let arrived = [];
let isPaused = false;
let pausedDropped = 0;
let nextId = 1;
let missed = 0;
let isMissedUnknown = false;
let count = 0;
const types = new Map();
const seconds = new Map();

function typeNameOf(text) {
  try {
    const { type } = JSON.parse(text);
    return typeof type === "string" && type !== "" ? type : NO_TYPE;
  } catch {
    return NO_TYPE;
  }
}

function countType(name, time, isLive) {
  const known = types.has(name) || types.size < MAX_TYPES ? name : OTHER_TYPES;
  types.set(known, (types.get(known) ?? 0) + 1);
  if (!isLive) return;
  const second = Math.floor(time / 1000);
  let bin = seconds.get(second);
  if (bin === undefined) {
    seconds.set(second, bin = new Map());
    for (const old of seconds.keys()) if (old < second - PLOT_SECONDS - 1) seconds.delete(old);
  }
  bin.set(known, (bin.get(known) ?? 0) + 1);
}

function hueOf(name) {
  const kind = name.toLowerCase();
  if (Object.hasOwn(HUES, kind)) return HUES[kind];
  let hash = 0;
  for (const char of name) hash = (hash * 31 + char.codePointAt(0)) % 360;
  return hash;
}

function addMessage(text, time, isLive) {
  const type = typeNameOf(text);
  countType(type, time, isLive);
  add({ id: nextId++, kind: "message", text, type, time });
}

function addGap(number) {
  if (number === null) isMissedUnknown = true;
  else missed += number;
  const what = number === null
    ? "The gateway has started anew: nobody knows how many messages are missing here."
    : `${number} ${
      number === 1 ? "message is" : "messages are"
    } missing here: no longer held when this page asked for more.`;
  add({ id: nextId++, kind: "gap", text: what, type: "", time: Date.now() });
}

function add(entry) {
  arrived.push(entry);
  if (arrived.length > MAX_KEPT) {
    arrived.shift();
    if (isPaused) pausedDropped += 1;
  }
  requestFrame();
}

// --- stream ---

let source;
let cursor;
let retryMs = 0;
let retryTimer;

function connect() {
  clearTimeout(retryTimer);
  source?.close();
  setLink("wait", "connecting …");
  (cursor === undefined ? loadHistory() : Promise.resolve()).then(openStream, () => retryLater());
}

/** What is held from before this page was opened, with the times at which it came. */
async function loadHistory() {
  let since = "earliest";
  while (true) {
    const response = await ask(`/messages/history?since=${since}&limit=1000`);
    if (response.status === 401) askForToken();
    if (!response.ok) throw new Error(`history: ${response.status}`);
    const page = await response.text();
    const parsed = JSON.parse(page);
    // The texts as they are on the bus: JSON.parse would round large numbers.
    const texts = textsOf(page);
    if (parsed.missed !== 0) addGap(parsed.missed);
    parsed.messages.forEach((message, i) => addMessage(texts[i], message.time, false));
    since = cursor = parsed.cursor;
    count = Number(cursor.split(".")[1]);
    if (!parsed.more) return;
  }
}

/** The texts of all `message` members of a history page, by walking over its brackets and strings. */
function textsOf(page) {
  const texts = [];
  let depth = 0;
  let start = -1;
  for (let at = 0; at < page.length; at += 1) {
    const char = page[at];
    if (char === '"') {
      const begin = at;
      for (at += 1; page[at] !== '"'; at += 1) if (page[at] === "\\") at += 1;
      if (depth === 3 && start < 0 && page.startsWith('"message":', begin)) {
        start = at + 2;
      }
    } else if (char === "{" || char === "[") {
      depth += 1;
    } else if (char === "}" || char === "]") {
      depth -= 1;
      if (depth === 2 && start >= 0) {
        texts.push(page.slice(start, at));
        start = -1;
      }
    }
  }
  return texts;
}

function openStream() {
  const parameters = new URLSearchParams({ since: cursor });
  // An EventSource cannot send headers.
  if (token !== "") parameters.set("access_token", token);
  source = new EventSource(`${PREFIX}/messages/stream?${parameters}`);
  source.addEventListener("open", (event) => {
    // The browser's own open event has no data; the stream's tells where it goes on.
    if (typeof event.data !== "string") return;
    retryMs = 0;
    cursor = event.lastEventId;
    count = Number(cursor.split(".")[1]);
    setLink("good", "live");
  });
  source.addEventListener("gap", (event) => addGap(JSON.parse(event.data).missed));
  source.addEventListener("message", (event) => {
    cursor = event.lastEventId;
    count = Number(cursor.slice(cursor.indexOf(".") + 1));
    addMessage(event.data, Date.now(), true);
  });
  source.addEventListener("error", () => {
    // CONNECTING: the browser tries again by itself and sends the last id. CLOSED: an answer such as 503, it gives up.
    if (source.readyState === EventSource.CONNECTING) setLink("bad", "gateway away, reconnecting …");
    else retryLater();
  });
}

function retryLater() {
  source?.close();
  retryMs = Math.min(Math.max(500, retryMs * 2), 8000);
  setLink("bad", byId("token-form").hidden ? "gateway away, reconnecting …" : "token needed");
  clearTimeout(retryTimer);
  retryTimer = setTimeout(connect, retryMs * (0.8 + Math.random() * 0.4));
}

function setLink(state, text) {
  setState(byId("link"), state, text);
}

// --- service routes ---

async function updateStatus() {
  const broker = byId("broker");
  try {
    const [ready, subscribers] = await Promise.all([ask("/readyz"), ask("/messages/subscribers")]);
    if (ready.status === 401 || subscribers.status === 401) {
      askForToken();
      setState(broker, "wait", "broker ?");
      setClients({});
      return;
    }
    const { broker: isUp } = await ready.json();
    setState(broker, isUp ? "good" : "bad", isUp ? "broker connected" : "broker away");
    if (subscribers.ok) setClients(await subscribers.json());
  } catch {
    setState(broker, "wait", "broker ?");
    setClients({});
  }
}

function setClients(numbers) {
  for (const kind of ["longpoll", "sse", "websocket"]) setText(byId(kind), String(numbers[kind] ?? "–"));
}

// --- list ---

let isFrameRequested = false;
const open = new Set();
let focused = 0;

function requestFrame() {
  if (isFrameRequested) return;
  isFrameRequested = true;
  requestAnimationFrame(drawFrame);
}

function drawFrame() {
  isFrameRequested = false;
  if (!isPaused && arrived.length > 0) takeArrived();
  setText(byId("total"), count.toLocaleString("en"));
  setText(
    byId("missed"),
    isMissedUnknown ? (missed === 0 ? "some" : `> ${missed}`) : missed.toLocaleString("en"),
  );
  byId("missed-box").dataset.state = missed > 0 || isMissedUnknown ? "bad" : "good";
  if (isPaused) {
    const lost = pausedDropped === 0 ? "" : `, the oldest ${pausedDropped} of them will not be shown`;
    setText(byId("list-note"), `Paused. ${arrived.length + pausedDropped} new${lost}.`);
  }
}

function takeArrived() {
  const fresh = arrived;
  arrived = [];
  for (const entry of fresh) {
    kept.push(entry);
    keptLength += entry.text.length;
  }
  let surplus = Math.max(0, kept.length - MAX_KEPT);
  for (let i = 0; i < surplus; i += 1) keptLength -= kept[i].text.length;
  while (keptLength > MAX_KEPT_LENGTH && surplus < kept.length - 1) keptLength -= kept[surplus++].text.length;
  if (surplus > 0) kept = kept.slice(surplus);
  const rows = document.createDocumentFragment();
  const shown = fresh.filter(passes).slice(-MAX_SHOWN);
  for (const entry of shown.reverse()) rows.append(rowOf(entry));
  list.prepend(rows);
  while (list.childElementCount > MAX_SHOWN) forget(list.lastElementChild);
  byId("empty").hidden = list.childElementCount > 0;
}

function forget(row) {
  open.delete(Number(row.dataset.id));
  // Whoever reads the last row stays in the list.
  if (row.contains(document.activeElement)) list.focus();
  row.remove();
}

function passes(entry) {
  if (entry.kind === "gap") return true;
  if (filterType.value !== "" && entry.type !== filterType.value) return false;
  const wanted = filterInput.value.toLowerCase();
  return wanted === "" || entry.text.toLowerCase().includes(wanted);
}

function redrawList() {
  const rows = document.createDocumentFragment();
  for (const entry of kept.filter(passes).slice(-MAX_SHOWN).reverse()) rows.append(rowOf(entry));
  list.replaceChildren(rows);
  const empty = byId("empty");
  empty.hidden = list.childElementCount > 0;
  setText(
    empty,
    kept.length > 0
      ? "No message passes the filter."
      : "Nothing yet. Messages appear here as soon as an application sends one.",
  );
}

function rowOf(entry) {
  const row = element("li", entry.kind === "gap" ? "gap" : "");
  row.dataset.id = entry.id;
  row.tabIndex = -1;
  if (entry.kind === "gap") {
    row.textContent = entry.text;
    return row;
  }
  const head = element("div", "head");
  const type = element("span", "type", entry.type);
  type.style.setProperty("--hue", hueOf(entry.type));
  head.append(
    element("time", "time", timeText(entry.time)),
    type,
    element("span", "text", entry.text.slice(0, PREVIEW_LENGTH)),
  );
  row.append(head);
  if (open.has(entry.id)) expand(row, entry);
  return row;
}

const two = (number) => String(number).padStart(2, "0");

function timeText(time) {
  const date = new Date(time);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Indented for reading, token by token out of the text itself: numbers and keys stay exactly as they were sent. */
function indent(text) {
  let out = "";
  let depth = 0;
  const newLine = () => `\n${"  ".repeat(Math.min(depth, 40))}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "{" || token === "[") {
      depth += 1;
      out += token + newLine();
    } else if (token === "}" || token === "]") {
      depth -= 1;
      const isEmpty = /[{[]\s*$/.test(out.slice(-100));
      out = isEmpty ? out.trimEnd() + token : out + newLine() + token;
    } else if (token === ",") {
      out += `,${newLine()}`;
    } else {
      out += token === ":" ? ": " : token;
    }
  }
  return out;
}

function expand(row, entry) {
  const body = element("div", "body");
  const copy = element("button", "", "Copy");
  copy.type = "button";
  copy.addEventListener("click", () => copyText(entry, copy));
  // Half a megabyte in the document would stop it from being smooth.
  const isLong = entry.text.length > 200_000;
  body.append(
    element(
      "pre",
      "",
      isLong ? `${entry.text.slice(0, 200_000)}\n… copy it to see the rest` : indent(entry.text),
    ),
    copy,
  );
  row.append(body);
  row.setAttribute("aria-expanded", "true");
}

async function copyText(entry, button) {
  try {
    await navigator.clipboard.writeText(entry.text);
    if (button) button.textContent = "Copied";
  } catch {
    if (button) button.textContent = "The browser does not allow it";
  }
  if (button) setTimeout(() => button.textContent = "Copy", 1500);
}

function entryOf(row) {
  const id = Number(row.dataset.id);
  return kept.find((entry) => entry.id === id);
}

function toggle(row) {
  const entry = entryOf(row);
  if (entry === undefined || entry.kind === "gap") return;
  if (open.delete(entry.id)) {
    row.querySelector(".body")?.remove();
    row.setAttribute("aria-expanded", "false");
  } else {
    open.add(entry.id);
    expand(row, entry);
  }
}

list.addEventListener("click", (event) => {
  const head = event.target.closest(".head");
  // A click that ends a selection is not meant for the row.
  if (head !== null && getSelection().isCollapsed) toggle(head.parentElement);
});

list.addEventListener("focusin", (event) => {
  const row = event.target.closest("li");
  if (row !== null) focused = Number(row.dataset.id);
});

list.addEventListener("keydown", (event) => {
  const row = event.target.closest("li") ?? list.querySelector(`li[data-id="${focused}"]`);
  if (event.target.closest("button") !== null) return;
  switch (event.key) {
    case "ArrowDown":
      (row?.nextElementSibling ?? (row ? row : list.firstElementChild))?.focus();
      break;
    case "ArrowUp":
      (row?.previousElementSibling ?? list.firstElementChild)?.focus();
      break;
    case "Home":
      list.firstElementChild?.focus();
      break;
    case "End":
      list.lastElementChild?.focus();
      break;
    case "Enter":
    case " ":
      if (row) toggle(row);
      break;
    case "c":
      if (event.ctrlKey || event.metaKey || !row) return;
      copyText(entryOf(row), row.querySelector(".body button"));
      break;
    default:
      return;
  }
  event.preventDefault();
});

function setPaused(paused) {
  isPaused = paused;
  pauseButton.setAttribute("aria-pressed", String(paused));
  setText(pauseButton, paused ? "Resume" : "Pause");
  if (!paused) {
    setText(byId("list-note"), "");
    if (pausedDropped > 0) {
      const what = `${pausedDropped} messages came while paused and are not shown.`;
      arrived.unshift({ id: nextId++, kind: "gap", text: what, type: "", time: Date.now() });
      pausedDropped = 0;
    }
  }
  requestFrame();
}

pauseButton.addEventListener("click", () => setPaused(!isPaused));
byId("clear").addEventListener("click", () => {
  kept = [];
  keptLength = 0;
  open.clear();
  redrawList();
});
filterInput.addEventListener("input", redrawList);
filterType.addEventListener("change", () => {
  redrawList();
  drawTypes();
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select") !== null;
  if (event.key === "Escape" && isTyping) {
    list.focus();
    // The browser would empty the filter, and tell nobody.
    event.preventDefault();
    return;
  }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") filterInput.focus();
  else if (event.key === "p") setPaused(!isPaused);
  else if (event.key === "s") byId("text").focus();
  else return;
  event.preventDefault();
});

// --- types and plot ---

function ratesOf(now) {
  const rates = new Map();
  for (let second = now - RATE_SECONDS; second < now; second += 1) {
    for (const [name, number] of seconds.get(second) ?? []) rates.set(name, (rates.get(name) ?? 0) + number);
  }
  for (const [name, number] of rates) rates.set(name, number / RATE_SECONDS);
  return rates;
}

const rateText = (rate) =>
  rate === 0 ? "–" : rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString("en");

const typeRows = new Map();

function drawTypes() {
  const rates = ratesOf(Math.floor(Date.now() / 1000));
  let sum = 0;
  for (const rate of rates.values()) sum += rate;
  setText(byId("rate"), sum === 0 ? "0" : rateText(sum));
  for (const [name, total] of types) {
    let row = typeRows.get(name);
    if (row === undefined) {
      const button = element("button", "type", name);
      button.type = "button";
      button.title = "Show only this type";
      button.style.setProperty("--hue", hueOf(name));
      button.addEventListener("click", () => {
        filterType.value = filterType.value === name ? "" : name;
        redrawList();
        drawTypes();
      });
      row = { tr: element("tr"), button, total: element("td", "number"), rate: element("td", "number") };
      const cell = element("td");
      cell.append(button);
      row.tr.append(cell, row.total, row.rate);
      byId("types").append(row.tr);
      typeRows.set(name, row);
      filterType.append(new Option(name, name));
    }
    setText(row.total, total.toLocaleString("en"));
    setText(row.rate, rateText(rates.get(name) ?? 0));
    row.button.setAttribute("aria-pressed", String(filterType.value === name));
  }
}

function drawPlot() {
  const canvas = byId("plot");
  const ratio = globalThis.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = 64;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = Math.floor(Date.now() / 1000);
  const bins = Array.from(
    { length: PLOT_SECONDS },
    (_, i) => seconds.get(now - PLOT_SECONDS + i) ?? new Map(),
  );
  const sums = bins.map((bin) => bin.values().reduce((sum, number) => sum + number, 0));
  const peak = Math.max(...sums);
  setText(byId("peak"), peak === 0 ? "" : `peak ${peak.toLocaleString("en")} per s`);
  const step = width / PLOT_SECONDS;
  context.fillStyle = getComputedStyle(canvas).color;
  context.globalAlpha = 0.35;
  context.fillRect(0, height - 1, width, 1);
  context.globalAlpha = 1;
  if (peak === 0) return;
  bins.forEach((bin, i) => {
    let base = height - 1;
    for (const [name, number] of bin) {
      const size = number / peak * (height - 4);
      context.fillStyle = `hsl(${hueOf(name)} ${isDark ? "45% 62%" : "50% 48%"})`;
      context.fillRect(i * step, base - size, Math.max(1, step - 1), size);
      base -= size;
    }
  });
}

// --- send ---

const sendNote = byId("send-note");
const textBox = byId("text");
const templateBox = byId("template");

function fillTemplate() {
  const template = TEMPLATES[templateBox.value];
  if (template === undefined) return;
  const message = template.type === "log" ? { ...template, time: Math.round(Date.now() / 1000) } : template;
  textBox.value = indent(JSON.stringify(message));
  setState(sendNote, "", "");
}

async function send() {
  const text = textBox.value;
  try {
    JSON.parse(text);
  } catch (error) {
    return setState(sendNote, "bad", `Not sent. This is not JSON: ${error.message}`);
  }
  setState(sendNote, "", "Sending …");
  try {
    const response = await ask("/messages?confirm=3", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: text,
    });
    if (response.status === 401) askForToken();
    if (response.status === 200) {
      const { count: number } = await response.json();
      return setState(sendNote, "good", `Sent. It is message ${number} of the bus.`);
    }
    if (response.ok) return setState(sendNote, "", "Sent, but it has not come back from the bus within 3 s.");
    const problem = await response.json();
    setState(sendNote, "bad", `Not sent. ${problem.detail} (${problem.code})`);
  } catch {
    setState(sendNote, "bad", "Not sent: the gateway does not answer.");
  }
}

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

// --- start ---

takeTokenFromAddress();
addEventListener("hashchange", () => {
  takeTokenFromAddress();
  connect();
});
fillTemplate();
connect();
updateStatus();
setInterval(updateStatus, STATUS_MS);
setInterval(() => {
  drawTypes();
  drawPlot();
}, 500);
