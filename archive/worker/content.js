/**
 * What of a block has to be found again: how many messages of which type, the last values, the events. Pure.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { walkBlock } from "./block.js";
import { targetOf, textOf, typeOf } from "./message.js";

const MAX_TEXT = 4096;
/** Values of different targets that are remembered of one block: the newest ones. */
const MAX_VALUES = 1000;
const VALUES = new Set(["subject", "sample", "variables"]);

/** What of a block has to be found again: how many of which type, the last values, the events. */
export function lookAt(raw, head) {
  const types = new Map();
  const values = new Map();
  const events = [];
  // Most blocks have no target in them, and looking for one in all of it at once takes no time.

  const hasTargets = hasTarget(raw);
  walkBlock(raw, head, (seq, time, start, end) => {
    const type = typeOf(raw, start, end) ?? "";
    types.set(type, (types.get(type) ?? 0) + 1);
    if (type === "log") events.push({ seq, time, columns: eventColumns(raw, start, end) });
    if (!VALUES.has(type)) return;
    const target = hasTargets ? targetOf(raw, start, end) : null;
    const key = target === null ? type : `${type}\0${target}`;
    values.delete(key);
    values.set(key, { type, target, seq });
    if (values.size > MAX_VALUES) values.delete(values.keys().next().value);
  });
  return { types, values: [...values.values()], events };
}

/** Is there `target"` anywhere in it, or a key that may be spelt with escapes? */
function hasTarget({ buffer, byteOffset, byteLength }) {
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  return bytes.includes('target"') || bytes.includes("\\u00");
}

function eventColumns(raw, start, end) {
  let log = {};
  try {
    log = JSON.parse(textOf(raw, start, end));
  } catch {
    // What it says can be read all the same, but not looked for.
  }
  const { action, application, pid, time: sent, state, screenshot } = log;
  const text = (value) =>
    (typeof value === "string" ? value : JSON.stringify(value) ?? "").slice(0, MAX_TEXT).toWellFormed();
  return [
    sent === undefined ? null : text(sent),
    pid === undefined ? null : JSON.stringify(pid).slice(0, MAX_TEXT).toWellFormed(),
    text(application),
    text(action),
    Number(typeof state === "object" && state !== null && Object.keys(state).length > 0),
    Number(typeof screenshot === "string" && screenshot !== ""),
  ];
}
