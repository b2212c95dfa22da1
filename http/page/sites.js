// The other sites: whether they can be reached, and which of them are heard. Without a backbone the panel stays hidden.

import { byId, element, numberText, setText } from "./dom.js";

const MAX_ROWS = 50;
/** Longer than this nobody would call it just now. */
const SILENT_MS = 60_000;
/** Of what the rows were made. */
let drawn = "";

const WORDS = {
  connecting: "Not joined yet: messages wait for the other sites.",
  joined: "Joined with the other sites.",
  holding: "The other sites cannot be reached. Messages wait for them.",
  island: "This site is an island: people here hear each other, and nobody else hears them.",
  refused: "The NATS server does not accept this broker.",
  closed: "No longer joined with the other sites.",
};

/** Draws what the broker tells of its backbone; undefined when it has none. */
export function drawSites(backbone) {
  byId("sites").hidden = backbone === undefined;
  if (backbone === undefined) return;
  const { state, isIsland, problem, bus, order, counts, sites } = backbone;
  const isBad = isIsland || state === "refused";
  const note = byId("sites-note");
  setText(note, [isIsland ? WORDS.island : WORDS[state], problem].filter(Boolean).join(" "));
  note.classList.toggle("bad", isBad);
  note.classList.toggle("more-of-it", isBad);
  const queued = counts.queued > 0 ? `, ${numberText(counts.queued)} messages wait` : "";
  setText(byId("sites-bus"), `Bus ${bus}, order ${order}${queued}.`);
  // The time since a site was heard rises all the while.
  const rows = sites.slice(0, MAX_ROWS).map(({ silentMs, ...site }) => ({
    ...site,
    isSilent: silentMs > SILENT_MS,
  }));
  const text = JSON.stringify(rows);
  if (text === drawn) return;
  drawn = text;
  byId("sites-rows").replaceChildren(...rows.map(rowOf));
}

function rowOf({ name, instance, messages, missed, isSilent }) {
  const who = element("td");
  who.append(element("bdi", "", name || instance));
  if (isSilent) who.append(element("span", "more-of-it", "silent for a minute and longer"));
  const heard = element("td", "number");
  heard.append(numberText(messages));
  if (missed > 0) heard.append(element("span", "more-of-it bad", `${numberText(missed)} missed`));
  const row = element("tr");
  row.append(who, heard);
  return row;
}
