/**
 * What of a block has to be found again: how many messages of which type, the last values, the events. Pure.
 *
 * @module
 */
import { walkBlock } from "./block.js";
import { targetOf, textOf, typeOf } from "./message.js";

const MAX_TEXT = 4096;
/** Values of different targets that are remembered of one block: the newest ones. */
const MAX_VALUES = 1000;
const VALUES = new Set(["subject", "sample", "variables"]);

/** What of a block has to be found again: how many of which type, the last values, the events. */
export function lookAt(raw, head) {
  /** By type: how many, and the last one. One look-up for each message. */
  const types = new Map();
  const targeted = new Map();
  const events = [];
  // Most blocks have no target in them, and looking for one in all of it at once takes no time.
  const hasTargets = hasTarget(raw);
  walkBlock(raw, head, (seq, time, start, end) => {
    const type = typeOf(raw, start, end) ?? "";
    let known = types.get(type);
    if (known === undefined) types.set(type, known = { count: 0, seq: 0 });
    known.count++;
    if (type === "log") events.push({ seq, time, columns: eventColumns(raw, start, end) });
    if (!hasTargets || !VALUES.has(type)) {
      known.seq = seq;
      return;
    }
    const target = targetOf(raw, start, end);
    if (target === null) {
      known.seq = seq;
      return;
    }
    const key = `${type}\0${target}`;
    targeted.delete(key);
    targeted.set(key, { type, target, seq });
    if (targeted.size > MAX_VALUES) targeted.delete(targeted.keys().next().value);
  });
  const values = [...targeted.values()];
  for (const [type, { seq }] of types) {
    if (seq > 0 && VALUES.has(type)) values.push({ type, target: null, seq });
  }
  return { types: [...types].map(([type, { count }]) => [type, count]), values, events };
}

/** Is there `target"` anywhere in it, or a key that may be spelt with escapes? As one text it is searched at the speed of memory. */
function hasTarget(raw) {
  const text = decoder.decode(raw);
  return text.includes('target"') || text.includes("\\u00");
}

const decoder = new TextDecoder();

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
