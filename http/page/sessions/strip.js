// The session over time: how many messages of each kind, events, notes, and what is missing. It is a slider for the keyboard, too.

import { byId, clockText, element, hueOf, numberText, setText, timeText } from "../dom.js";
import { dateText, timeElement } from "./times.js";

const HEIGHT = 110;
const TOP = 18;
/** Kinds beyond these are one. */
const MAX_KINDS = 12;
const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;

/** Why messages are missing, by the reason in the file. */
const REASONS = {
  full: "there was no room on the disk",
  behind: "the disk was too slow",
  failed: "the file could not be written",
  damaged: "the file is damaged there",
  slow: "the recorder read too slowly",
  expired: "they were no longer held when the recorder came back",
  restarted: "the broker was started anew",
  disconnected: "the connection to the broker was cut",
  refused: "the broker took no more connections",
};

/** What a kind of messages is called. */
export const kindText = (type) => type === "" ? "(no type)" : type;

const strip = byId("strip");
const canvas = byId("strip-canvas");
const isDark = matchMedia("(prefers-color-scheme: dark)");

let line;
let kinds = [];
let notes = [];
/** The part that was chosen. */
let chosen;
/** Moments that are marked: what the list shows, and where the replay is. */
const marks = { list: undefined, replay: undefined };
let handleChoice = () => {};

export const reasonText = (reason) => Object.hasOwn(REASONS, reason) ? REASONS[reason] : reason;

/** Shows a timeline; the choice stays where it was in time. */
export function showStrip(timeline, sessionNotes) {
  const before = chosen === undefined || line === undefined ? undefined : timeOf(chosen);
  line = timeline;
  notes = sessionNotes;
  kinds = kindsOf(timeline.types);
  chosen = before === undefined ? undefined : bucketOf(before);
  strip.setAttribute("aria-valuemax", String(line.buckets - 1));
  const isLong = line.to - line.from > DAY_MS;
  const ends = (time) => isLong ? `${dateText(time)}, ${clockText(time)}` : fineText(time);
  setText(byId("strip-from"), ends(line.from));
  setText(byId("strip-to"), ends(line.to));
  drawKinds();
  drawList("gaps", line.gaps, gapsTitle, gapItem);
  drawList("deeds", line.deeds, (number) => `${number} times replayed or gone back to`, deedItem);
  tell();
  draw();
}

export function forgetStrip() {
  line = undefined;
  chosen = undefined;
  marks.list = marks.replay = undefined;
}

export function setNotes(sessionNotes) {
  notes = sessionNotes;
  draw();
}

/** Where the list is, or the replay; undefined for nowhere. */
export function markTime(what, time) {
  const pixel = (time) => time === undefined || line === undefined ? time : Math.round(xOf(time));
  const isSame = pixel(marks[what]) === pixel(time);
  marks[what] = time;
  if (!isSame) draw();
}

function kindsOf(types) {
  const all = types.map(({ type, counts }) => ({
    type,
    counts,
    total: counts.reduce((sum, n) => sum + n, 0),
  }))
    .filter(({ total }) => total > 0);
  if (all.length <= MAX_KINDS) return all;
  const rest = all.slice(MAX_KINDS - 1);
  const counts = rest[0].counts.map((_, i) => rest.reduce((sum, kind) => sum + kind.counts[i], 0));
  const total = rest.reduce((sum, kind) => sum + kind.total, 0);
  return [...all.slice(0, MAX_KINDS - 1), { type: `${rest.length} other kinds`, counts, total }];
}

function drawKinds() {
  byId("kinds").replaceChildren(...kinds.map(({ type, total }) => {
    const made = element("li");
    const name = element("span", "type", kindText(type));
    name.style.setProperty("--hue", hueOf(type));
    made.append(name, " ", element("span", "count", numberText(total)));
    return made;
  }));
}

function drawList(id, items, title, itemOf) {
  const box = byId(id);
  box.hidden = items.length === 0;
  setText(box.querySelector("summary"), title(items.length));
  box.querySelector("ul").replaceChildren(...items.map(itemOf));
}

const gapsTitle = (number) =>
  number === 1 ? "1 gap: messages are missing" : `${number} gaps: messages are missing`;

function gapItem({ from, to, missed, reason }) {
  const made = element("li");
  const what = missed === null
    ? "nobody knows how many messages"
    : missed === 1
    ? "1 message"
    : `${numberText(missed)} messages`;
  made.append(timeElement(from), " – ", timeElement(to), ` ${what}: ${reasonText(reason)}`);
  return made;
}

function deedItem({ time, kind, detail }) {
  const made = element("li");
  const what = { replay: "replayed", goto: "went back", deleted: "deleted" }[kind] ?? kind;
  made.append(timeElement(time), ` ${what} `, element("bdi", "detail", detail));
  return made;
}

// --- places ---

const span = () => Math.max(1, line.to - line.from);
const timeOf = (bucket) => line.from + span() * bucket / line.buckets;
const bucketOf = (time) =>
  Math.min(line.buckets - 1, Math.max(0, Math.floor((time - line.from) / span() * line.buckets)));

const xOf = (time) => (time - line.from) / span() * strip.clientWidth;

/** A clock time, as fine as the session is short. */
const fineText = (time) => span() < MINUTE_MS ? timeText(time) : clockText(time);

/** What is in a part, for people. */
function textOf(bucket) {
  const [from, to] = [timeOf(bucket), timeOf(bucket + 1)];
  const parts = kinds.filter(({ counts }) => counts[bucket] > 0)
    .map(({ type, counts }) => `${numberText(counts[bucket])} ${kindText(type)}`);
  const here = line.gaps.filter((gap) => gap.from < to && gap.to >= from);
  const noted = notes.filter(({ time }) => time >= from && time < to).length;
  if (noted > 0) parts.push(noted === 1 ? "1 note" : `${noted} notes`);
  for (const { missed, reason } of here) {
    parts.push(`${missed === null ? "some" : numberText(missed)} missing (${reasonText(reason)})`);
  }
  return `${fineText(from)} – ${fineText(to)}: ${parts.length === 0 ? "nothing" : parts.join(", ")}`;
}

function tell() {
  byId("strip-actions").hidden = chosen === undefined;
  strip.setAttribute("aria-valuenow", String(chosen ?? 0));
  const text = chosen === undefined
    ? "Click on the strip, or move on it by ← and →, to choose a moment."
    : textOf(chosen);
  strip.setAttribute("aria-valuetext", text);
  setText(byId("strip-text"), text);
}

function choose(bucket) {
  if (line === undefined) return;
  chosen = Math.min(line.buckets - 1, Math.max(0, bucket));
  byId("strip-note").replaceChildren();
  tell();
  draw();
}

// --- drawing ---

function draw() {
  if (line === undefined) return;
  const ratio = globalThis.devicePixelRatio || 1;
  const width = strip.clientWidth;
  if (width === 0) return;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(HEIGHT * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const bottom = HEIGHT - 1;
  const step = width / line.buckets;
  const sums = Array.from(
    { length: line.buckets },
    (_, i) => kinds.reduce((sum, { counts }) => sum + counts[i], 0),
  );
  const peak = Math.max(1, ...sums);
  setText(
    byId("strip-peak"),
    sums.some((sum) => sum > 0) ? `highest: ${numberText(peak)} (logarithmic)` : "",
  );
  context.fillStyle = color("--line");
  context.fillRect(0, bottom, width, 1);
  for (const { from, to } of line.gaps) drawGap(context, xOf(from), xOf(to), bottom, color("--bad"));
  sums.forEach((sum, i) => {
    let base = bottom;
    for (const { type, counts } of kinds) {
      // By the logarithm: a flood would make all else invisible. What is rare beside many stays to be seen.
      const size = counts[i] === 0
        ? 0
        : Math.max(1.5, Math.log1p(sum) / Math.log1p(peak) * (bottom - TOP) * counts[i] / sum);
      context.fillStyle = `hsl(${hueOf(type)} ${isDark.matches ? "45% 62%" : "50% 48%"})`;
      context.fillRect(i * step, base - size, Math.max(1, step - (step > 3 ? 1 : 0)), size);
      base -= size;
    }
  });
  context.fillStyle = color("--accent");
  line.events.forEach((number, i) => {
    if (number > 0) context.fillRect(i * step + step / 2 - 1, 12, 2, 4);
  });
  for (const { time } of notes) drawNote(context, xOf(time), color("--warn"));
  if (chosen !== undefined) {
    context.fillStyle = color("--accent");
    context.globalAlpha = 0.25;
    context.fillRect(chosen * step, 0, Math.max(2, step), HEIGHT);
    context.globalAlpha = 1;
    context.fillRect(chosen * step, 0, 1, HEIGHT);
  }
  for (const [what, name] of [["list", "--soft"], ["replay", "--bad"]]) {
    if (marks[what] === undefined) continue;
    context.fillStyle = color(name);
    context.fillRect(Math.min(width - 2, Math.max(0, xOf(marks[what]))), 0, 2, HEIGHT);
  }
}

/** A colour of the style sheet as it is now, dark or light. */
function color(name) {
  canvas.style.color = `var(${name})`;
  return getComputedStyle(canvas).color;
}

function drawGap(context, from, to, bottom, color) {
  const width = Math.max(4, to - from);
  context.save();
  context.beginPath();
  context.rect(from, TOP, width, bottom - TOP);
  context.clip();
  context.globalAlpha = 0.15;
  context.fillStyle = color;
  context.fillRect(from, TOP, width, bottom - TOP);
  context.globalAlpha = 0.8;
  context.strokeStyle = color;
  context.beginPath();
  for (let x = from - HEIGHT; x < from + width; x += 6) {
    context.moveTo(x, bottom);
    context.lineTo(x + HEIGHT, bottom - HEIGHT);
  }
  context.stroke();
  context.restore();
}

function drawNote(context, x, color) {
  context.fillStyle = color;
  context.beginPath();
  context.moveTo(x - 4, 1);
  context.lineTo(x + 4, 1);
  context.lineTo(x, 9);
  context.fill();
}

// --- people ---

const KEYS = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

function handleKey(event) {
  if (line === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Home") choose(0);
  else if (event.key === "End") choose(line.buckets - 1);
  else if (Object.hasOwn(KEYS, event.key)) choose((chosen ?? 0) + KEYS[event.key]);
  else if (event.key === "Enter" && chosen !== undefined) handleChoice("show", timeOf(chosen));
  else return;
  event.preventDefault();
}

/** `onChoice(what, time)`: what a person wants to do at a moment: show, goto, replay, note or link. */
export function startStrip(onChoice) {
  handleChoice = onChoice;
  const bucketAt = (event) =>
    Math.floor((event.clientX - strip.getBoundingClientRect().left) / strip.clientWidth * line.buckets);
  strip.addEventListener("pointerdown", (event) => {
    if (line === undefined) return;
    strip.setPointerCapture(event.pointerId);
    choose(bucketAt(event));
  });
  strip.addEventListener("pointermove", (event) => {
    if (line !== undefined && strip.hasPointerCapture(event.pointerId)) choose(bucketAt(event));
  });
  strip.addEventListener("keydown", handleKey);
  byId("strip-actions").addEventListener("click", ({ target }) => {
    const what = target.dataset.do;
    if (what !== undefined && chosen !== undefined) handleChoice(what, timeOf(chosen), target);
  });
  new ResizeObserver(draw).observe(strip);
  isDark.addEventListener("change", draw);
}
