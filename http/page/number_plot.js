// A number of messages of one type over time, as a line: a person chose it from a message.

import { byId, clockText, numberText, setText } from "./dom.js";

const MAX_NUMBERS = 50;
const MAX_DEPTH = 8;
/** Longer messages are not parsed for a number. */
const MAX_LENGTH = 100_000;
const MAX_POINTS = 1000;
/** Numbers that are read in one frame: the line keeps its form when there are more. */
const MAX_PER_FRAME = 200;
const HEIGHT = 90;

const canvas = byId("number-plot");
let chosen;
let points = [];
let earlierOf = () => [];
let isDue = false;

/** The numbers in a message: `{ label, path }`. */
export function numbersIn(text) {
  if (text.length > MAX_LENGTH) return [];
  const found = [];
  const walk = (value, path) => {
    if (found.length === MAX_NUMBERS || path.length > MAX_DEPTH) return;
    if (typeof value === "number") found.push({ label: labelOf(path), path });
    else if (value !== null && typeof value === "object") {
      for (const key of Object.keys(value).slice(0, MAX_NUMBERS)) walk(value[key], [...path, key]);
    }
  };
  walk(JSON.parse(text), []);
  return found;
}

const labelOf = (path) => path.join(".").slice(0, 80);

/** Plots it from now on, and what is kept of it from before. */
export function plotNumber(type, { label, path }) {
  chosen = { type, path };
  points = [];
  byId("number").hidden = false;
  setText(byId("number-title"), `${type}: ${label}`);
  take(earlierOf().filter((entry) => entry.type === type).slice(-MAX_POINTS));
  drawNumber();
}

/** Messages that came. */
export function plotEntries(entries) {
  if (chosen === undefined) return;
  const mine = entries.filter((entry) => entry.type === chosen.type);
  const step = Math.ceil(mine.length / MAX_PER_FRAME);
  take(step > 1 ? mine.filter((_, i) => i % step === 0) : mine);
}

function take(entries) {
  for (const { text, time } of entries) {
    if (text.length > MAX_LENGTH) continue;
    let value = JSON.parse(text);
    for (const key of chosen.path) value = value?.[key];
    if (typeof value === "number") points.push({ time, value });
  }
  if (points.length > MAX_POINTS) points = points.slice(-MAX_POINTS);
  if (entries.length > 0) isDue = true;
}

/** Draws it when there is something new. */
export function drawNumber() {
  if (chosen === undefined || !isDue) return;
  isDue = false;
  const ratio = globalThis.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  if (points.length === 0) return;
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [points[0].time, points.at(-1).time];
  const x = (time) => last === first ? width / 2 : 4 + (width - 8) * (time - first) / (last - first);
  const y = (value) => high === low ? HEIGHT / 2 : 5 + (HEIGHT - 10) * (high - value) / (high - low);
  context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
  context.lineWidth = 1.5;
  context.beginPath();
  for (const { time, value } of points) context.lineTo(x(time), y(value));
  context.stroke();
  context.beginPath();
  context.arc(x(last), y(values.at(-1)), 3, 0, 7);
  context.fill();
  setText(byId("number-from"), clockText(first));
  setText(byId("number-to"), clockText(last));
  const range = `between ${numberText(low)} and ${numberText(high)}`;
  setText(
    byId("number-note"),
    `Now ${numberText(values.at(-1))}, ${range}, ${numberText(points.length)} messages.`,
  );
  canvas.setAttribute("aria-label", `A line over time, ${range}`);
}

/** `kept()` has the messages from before. */
export function startNumberPlot(kept) {
  earlierOf = kept;
  byId("number-close").addEventListener("click", () => {
    chosen = undefined;
    byId("number").hidden = true;
    byId("list").focus();
  });
  new ResizeObserver(() => isDue = true).observe(canvas);
}
