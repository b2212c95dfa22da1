// How many came, by type: the table, the rate, and the plot of the last minute.

import { button, byId, clockText, element, hueOf, numberText, setText } from "./dom.js";
import { chooseType, chosenType, offerType } from "./filter.js";

const PLOT_SECONDS = 60;
const PLOT_HEIGHT = 64;
const RATE_SECONDS = 5;
/** What groups all types beyond these: a hostile sender can make up a new type with each message. */
const MAX_TYPES = 30;
const OTHER_TYPES = "(other)";

/** Totals by type; they begin with the oldest message that this page was told of. */
const totals = new Map();
let since = Infinity;
/** Second → type → number. */
const seconds = new Map();
const rows = new Map();
const canvas = byId("plot");
const isDark = matchMedia("(prefers-color-scheme: dark)");

/** Counts a message; those that were held from before are not in the plot. */
export function countMessage(type, time, isLive) {
  const known = totals.has(type) || totals.size < MAX_TYPES ? type : OTHER_TYPES;
  totals.set(known, (totals.get(known) ?? 0) + 1);
  since = Math.min(since, time);
  if (!isLive) return;
  const second = Math.floor(Date.now() / 1000);
  let bin = seconds.get(second);
  if (bin === undefined) {
    seconds.set(second, bin = new Map());
    for (const old of seconds.keys()) if (old < second - PLOT_SECONDS - 1) seconds.delete(old);
  }
  bin.set(known, (bin.get(known) ?? 0) + 1);
}

/** Brings the table up to date. */
export function drawTypes() {
  const rates = ratesOf(Math.floor(Date.now() / 1000));
  let sum = 0;
  for (const rate of rates.values()) sum += rate;
  setText(byId("rate"), sum === 0 ? "0" : rateText(sum));
  if (since < Infinity) {
    setText(byId("types-since"), `Totals since ${clockText(since)}, as far as this page knows.`);
  }
  for (const [name, total] of totals) {
    const row = rows.get(name) ?? addRow(name);
    setText(row.total, numberText(total));
    setText(row.rate, rateText(rates.get(name) ?? 0));
    row.choice.setAttribute("aria-pressed", String(chosenType() === name));
  }
}

function addRow(name) {
  const choice = button("type", name);
  choice.title = "Show only this type";
  choice.style.setProperty("--hue", hueOf(name));
  choice.addEventListener("click", () => chooseType(name));
  const row = {
    choice,
    tr: element("tr"),
    total: element("td", "number"),
    rate: element("td", "number"),
  };
  const cell = element("td");
  cell.append(choice);
  row.tr.append(cell, row.total, row.rate);
  byId("types").append(row.tr);
  rows.set(name, row);
  offerType(name);
  return row;
}

function ratesOf(now) {
  const rates = new Map();
  for (let second = now - RATE_SECONDS; second < now; second += 1) {
    for (const [name, number] of seconds.get(second) ?? []) rates.set(name, (rates.get(name) ?? 0) + number);
  }
  for (const [name, number] of rates) rates.set(name, number / RATE_SECONDS);
  return rates;
}

const rateText = (rate) => rate === 0 ? "–" : rate < 10 ? rate.toFixed(1) : numberText(Math.round(rate));

export function drawPlot() {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  if (canvas.width !== Math.round(width * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(PLOT_HEIGHT * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, PLOT_HEIGHT);
  const now = Math.floor(Date.now() / 1000);
  const bins = Array.from(
    { length: PLOT_SECONDS },
    (_, i) => seconds.get(now - PLOT_SECONDS + i) ?? new Map(),
  );
  const sums = bins.map((bin) => [...bin.values()].reduce((sum, number) => sum + number, 0));
  const peak = Math.max(...sums);
  setText(byId("peak"), peak === 0 ? "" : `peak ${numberText(peak)} per s`);
  const step = width / PLOT_SECONDS;
  context.fillStyle = getComputedStyle(canvas).color;
  context.globalAlpha = 0.35;
  context.fillRect(0, PLOT_HEIGHT - 1, width, 1);
  context.globalAlpha = 1;
  if (peak === 0) return;
  bins.forEach((bin, i) => {
    let base = PLOT_HEIGHT - 1;
    for (const [name, number] of bin) {
      const size = number / peak * (PLOT_HEIGHT - 4);
      context.fillStyle = `hsl(${hueOf(name)} ${isDark.matches ? "45% 62%" : "50% 48%"})`;
      context.fillRect(i * step, base - size, Math.max(1, step - 1), size);
      base -= size;
    }
  });
}
