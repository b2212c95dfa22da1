// What a gap in the messages says.

import { numberText } from "./dom.js";

/** Why messages are missing, by the reason of the gap. */
const GAP_REASONS = {
  expired: "no longer held when this page asked for more",
  slow: "the broker dropped them, for they were read too slowly",
  restarted: "the broker was started anew",
  disconnected: "the connection to the broker was cut",
  "foreign-cursor": "the broker was started anew, or it is another one",
};

/** `missed` is null when nobody can know how many. */
export function gapText(missed, reason) {
  const why = Object.hasOwn(GAP_REASONS, reason ?? "") ? GAP_REASONS[reason] : undefined;
  if (missed === null) {
    return `Messages may be missing here, nobody knows how many: ${why ?? "the gateway was started anew"}.`;
  }
  const what = missed === 1 ? "1 message is" : `${numberText(missed)} messages are`;
  return `${what} missing here: ${why ?? GAP_REASONS.expired}.`;
}
