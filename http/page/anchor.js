// The row that stays where it is on the screen while rows come above it, and while the list gets smaller.

import { byId } from "./dom.js";

const list = byId("list");

/**
 * Where the last row that was held was put: a browser rounds what is scrolled to whole pixels, and without `error`, what was
 * lost by it, the row would creep by a part of a pixel with each message.
 */
let last;
let height = list.clientHeight;

/** Changes the list, and keeps in its place what is read: one of these rows, or the first one where the list is scrolled. */
export function keepPlace(rows, change) {
  const row = anchorRow(rows);
  if (row === undefined) return change();
  const error = last?.row === row && last.scrollTop === list.scrollTop ? last.error : 0;
  const top = topOf(row) - error;
  change();
  if (!row.isConnected) return;
  list.scrollTop += topOf(row) - top;
  const off = topOf(row) - top;
  // More than that is no rounding: there is nothing above or below that could hold it there.
  last = { row, scrollTop: list.scrollTop, error: Math.abs(off) < 1 ? off : 0 };
}

const topOf = (row) => row.getBoundingClientRect().top - list.getBoundingClientRect().top;

/** Whoever reads an opened message, or has scrolled away from the newest, keeps that place. */
function anchorRow(rows) {
  const top = list.scrollTop;
  const bottom = top + list.clientHeight;
  for (const row of rows) {
    if (row.isConnected && row.offsetTop < bottom && row.offsetTop + row.offsetHeight > top) return row;
  }
  if (top === 0) return undefined;
  const { children } = list;
  let [low, high] = [0, children.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (children[middle].offsetTop + children[middle].offsetHeight > top) high = middle;
    else low = middle + 1;
  }
  return children[low];
}

/** As much of the row as fits comes into view. */
export function bringIntoView({ offsetTop, offsetHeight }) {
  const below = offsetTop + offsetHeight - list.scrollTop - list.clientHeight;
  if (below > 0) list.scrollTop = Math.min(list.scrollTop + below, offsetTop);
}

/** When the list gets smaller, because of a note or with the window, one of these rows that was in view to its end stays so. */
export function watchSize(openRows) {
  new ResizeObserver(() => {
    const end = list.scrollTop + height;
    height = list.clientHeight;
    for (const row of openRows()) {
      const rowEnd = row.offsetTop + row.offsetHeight;
      // Both are rounded.
      if (row.isConnected && rowEnd > list.scrollTop && rowEnd <= end + 1) return bringIntoView(row);
    }
  }).observe(list);
}
