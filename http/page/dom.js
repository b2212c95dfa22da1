// Small help with the document. What comes from outside goes in as text only, never as markup.

export const byId = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function button(className, text) {
  const made = element("button", className, text);
  made.type = "button";
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function setState(node, state, text) {
  if (node.dataset.state !== state) node.dataset.state = state;
  setText(node, text);
}

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

/** The colour of a message type: always the same one. */
export function hueOf(type) {
  const kind = type.toLowerCase();
  if (Object.hasOwn(HUES, kind)) return HUES[kind];
  let hash = 0;
  for (const char of type.slice(0, 100)) hash = (hash * 31 + char.codePointAt(0)) % 360;
  return hash;
}

const two = (number) => String(number).padStart(2, "0");

/** A clock time, to the second. */
export function clockText(time) {
  const date = new Date(time);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A clock time, to the millisecond. */
export function timeText(time) {
  return `${clockText(time)}.${String(new Date(time).getMilliseconds()).padStart(3, "0")}`;
}

export const numberText = (number) => number.toLocaleString("en");

/** A size for people. */
export function sizeText(size, unit) {
  if (size < 1000) return `${size} ${unit}`;
  return size < 1_000_000
    ? `${Math.round(size / 1000)} k${unit}`
    : `${(size / 1_000_000).toFixed(1)} M${unit}`;
}

const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

/** Date, time and zone of whoever looks, and UTC to the millisecond. */
export function fullTimeText(time) {
  return `${FULL.format(time)} (${new Date(time).toISOString().replace("T", " ").replace("Z", " UTC")})`;
}

/** Copies a text, and says for a moment on a button whether it could. */
export async function copyText(text, node) {
  const before = node?.dataset.label ?? node?.textContent;
  let result = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    result = "The browser does not allow it";
  }
  if (!node) return;
  node.dataset.label = before;
  node.textContent = result;
  setTimeout(() => node.textContent = before, 1500);
}
