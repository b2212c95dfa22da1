// A JSON text as a tree that is made while it is opened: whatever the size and depth of a message, opening it makes a few
// hundred elements at most. The rows are siblings, and a deep one is only further to the right.

import { button, element, numberText } from "./dom.js";
import { hasParts, partsAfter } from "../client/json_parts.js";

/** Rows that one click makes. */
const SLICE = 100;
/** What is small is opened with its parent, while the slice lasts. */
const SMALL_LENGTH = 2000;
const PREVIEW_LENGTH = 200;
const MAX_KEY_LENGTH = 200;
const FIRST_LENGTH = 500;
/** Of a picture in base64: nobody reads it, and it is shown above. */
const FIRST_OF_PICTURE = 60;
const PICTURE = /^"(?:data:image\/png;base64,)?iVBORw0KGgo/;
const NEXT_LENGTH = 10_000;
/** Further to the right there is no room. */
const MAX_INDENT = 24;

/** The tree of a text, with its first slice open. */
export function jsonTree(text) {
  const tree = element("div", "tree");
  const start = text.search(/\S/);
  tree.append(
    start >= 0 && hasParts(text, start) ? sliceOf(text, start, 0, 0, SLICE) : element("div", "node", text),
  );
  return tree;
}

/**
 * The next rows of a list or an object, those after `at`, and what is small in them: level by level, each as a whole, as long
 * as it fits into `most` rows.
 */
function sliceOf(text, at, depth, firstIndex, most) {
  const { parts, next } = partsAfter(text, at, SLICE);
  const slice = document.createDocumentFragment();
  let level = parts.map((part, i) => ({ part, row: rowOf(text, part, depth, firstIndex + i) }));
  slice.append(...level.map(({ row }) => row));
  if (next !== undefined) slice.append(moreRow(text, next, depth, firstIndex + parts.length));
  let room = most - parts.length;
  for (let inside = depth + 1; room > 0; inside += 1) {
    const limit = room + 1;
    const small = level
      .filter(({ part: { start, end } }) => end - start <= SMALL_LENGTH && hasParts(text, start))
      .map(({ part, row }) => ({ row, parts: partsAfter(text, part.start, limit).parts }));
    const number = small.reduce((sum, { parts }) => sum + parts.length, 0);
    if (number === 0 || number > room) break;
    room -= number;
    level = small.flatMap(({ row, parts }) => {
      const rows = parts.map((part, i) => ({ part, row: rowOf(text, part, inside, i) }));
      row.after(...rows.map(({ row }) => row));
      row.firstChild.setAttribute("aria-expanded", "true");
      return rows;
    });
  }
  return slice;
}

function nodeRow(depth) {
  const row = element("div", "node");
  row.dataset.depth = depth;
  row.style.setProperty("--depth", Math.min(depth, MAX_INDENT));
  return row;
}

function rowOf(text, part, depth, index) {
  const row = nodeRow(depth);
  const label = part.key === undefined
    ? [element("span", "index", `${index}`), " "]
    : [element("span", "key", cut(part.key, MAX_KEY_LENGTH)), ": "];
  if (!hasParts(text, part.start)) {
    row.append(...label, ...valueOf(text, part));
    return row;
  }
  const twist = button("twist");
  twist.setAttribute("aria-expanded", "false");
  const preview = text.slice(part.start, Math.min(part.end, part.start + PREVIEW_LENGTH));
  twist.append(...label, element("span", "preview", preview));
  twist.addEventListener("click", () => {
    if (twist.getAttribute("aria-expanded") === "true") {
      close(row, depth);
      twist.setAttribute("aria-expanded", "false");
    } else {
      row.after(sliceOf(text, part.start, depth + 1, 0, SLICE));
      twist.setAttribute("aria-expanded", "true");
    }
  });
  row.append(twist);
  return row;
}

/** Removes the rows below: all that follow and are deeper. */
function close(row, depth) {
  while (row.nextSibling !== null && Number(row.nextSibling.dataset.depth) > depth) row.nextSibling.remove();
}

function moreRow(text, at, depth, index) {
  const row = nodeRow(depth);
  const more = button("more", `${index} shown; show ${SLICE} more`);
  more.addEventListener("click", () => {
    const slice = sliceOf(text, at, depth, index, 0);
    // Whoever came by keyboard goes on from here.
    const next = slice.querySelector("button");
    row.replaceWith(slice);
    next?.focus();
  });
  row.append(more);
  return row;
}

function valueOf(text, { start, end }) {
  const kind = text[start] === '"' ? "string" : /[-0-9]/.test(text[start]) ? "number" : "word";
  const first = PICTURE.test(text.slice(start, start + 50)) ? FIRST_OF_PICTURE : FIRST_LENGTH;
  const value = element("span", `value ${kind}`, cut(text.slice(start, end), first));
  if (value.textContent.length === end - start) return [value];
  let shown = start + value.textContent.length;
  const more = button("more");
  const label = () => more.textContent = `… ${numberText(end - shown)} more characters`;
  label();
  more.addEventListener("click", () => {
    const next = cut(text.slice(shown, end), NEXT_LENGTH);
    value.append(next);
    shown += next.length;
    if (shown < end) label();
    else more.remove();
  });
  return [value, " ", more];
}

/** The beginning of a text; never half a character. */
function cut(text, length) {
  if (text.length <= length) return text;
  const isHigh = (text.charCodeAt(length - 1) & 0xfc00) === 0xd800;
  return text.slice(0, isHigh ? length - 1 : length);
}
