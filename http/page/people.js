// Who is here, and what was refused: both as the broker tells. A gateway without a broker in its process cannot tell, and
// the panels stay hidden.

import { byId, clockText, element, numberText, setText, sizeText } from "./dom.js";
import { ask } from "./gateway.js";

const POLL_MS = 2000;
/** A gateway that has no such route is asked rarely. */
const RARE_POLL_MS = 60_000;
const DEADLINE_MS = 5000;
const MAX_ROWS = 50;
/** Of what the rows of an element were made. */
const drawn = new Map();

async function poll() {
  let next = POLL_MS;
  if (!document.hidden) {
    try {
      const { status, isOk, text } = await ask("/broker", DEADLINE_MS);
      if (isOk) {
        draw(JSON.parse(text));
      } else if (status === 404) {
        draw({});
        next = RARE_POLL_MS;
      }
    } catch {
      // The header tells that the gateway does not answer.
    }
  }
  setTimeout(poll, next);
}

function draw({ connections, refusals, failedHandshakes }) {
  byId("people").hidden = !Array.isArray(connections);
  byId("refused").hidden = !Array.isArray(refusals) && !Array.isArray(failedHandshakes);
  drawConnections(connections ?? []);
  drawRefused([
    ...(refusals ?? []).map(refusalOf),
    ...(failedHandshakes ?? []).map(handshakeOf),
  ]);
}

function drawConnections(connections) {
  const sending = connections.filter(({ role }) => role === "sends").length;
  setText(byId("people-note"), `${sending} send, ${connections.length - sending} listen.`);
  fill(byId("people-rows"), connections, (connection) => {
    const { name, instance, key, pid, address, role, since, messages, bytes, queued, dropped } = connection;
    const row = element("tr");
    const who = element("td");
    who.append(element("bdi", "", name ?? instance ?? key ?? address));
    const more = [
      name || instance || key ? address : undefined,
      pid ? `pid ${pid}` : undefined,
      since ? `since ${clockText(since)}` : undefined,
      bytes === undefined ? undefined : sizeText(bytes, "B"),
    ];
    who.append(element("span", "more-of-it", more.filter((part) => part !== undefined).join(", ")));
    const state = element("td", "", role);
    if (queued > 0) state.append(element("span", "more-of-it", `${numberText(queued)} wait`));
    if (dropped > 0) state.append(element("span", "more-of-it bad", `${numberText(dropped)} lost`));
    row.append(who, state, element("td", "number", messages === undefined ? "–" : numberText(messages)));
    return row;
  });
}

const refusalOf = ({ time, reason, code, sender, address, text, preview }) => ({
  time,
  what: reason ?? code ?? "refused",
  who: sender ?? address,
  text: text ?? preview,
});

const handshakeOf = ({ time, reason, code, address, hint }) => ({
  time,
  what: `no connection: ${reason ?? code ?? "the handshake failed"}`,
  who: address,
  text: hint,
});

function drawRefused(refused) {
  const newest = refused.toSorted((a, b) => (b.time ?? 0) - (a.time ?? 0));
  setText(byId("refused-note"), newest.length === 0 ? "Nothing." : "");
  fill(byId("refused-rows"), newest, ({ time, what, who, text }) => {
    const row = element("li");
    row.append(element("time", "time", time ? clockText(time) : ""), " ", element("b", "", what));
    if (who) row.append(" ", element("bdi", "more-of-it", `from ${who}`));
    if (text) row.append(element("bdi", "quote", text));
    return row;
  });
}

/** The rows anew, but only when something has changed: whoever selects text in them keeps it. */
function fill(parent, items, rowOf) {
  const state = JSON.stringify(items);
  if (drawn.get(parent) === state) return;
  drawn.set(parent, state);
  parent.replaceChildren(...items.slice(0, MAX_ROWS).map(rowOf));
  if (items.length <= MAX_ROWS) return;
  const isTable = parent.tagName === "TBODY";
  const rest = element(isTable ? "td" : "li", "note", `and ${numberText(items.length - MAX_ROWS)} more`);
  if (!isTable) return parent.append(rest);
  const row = element("tr");
  row.append(rest);
  parent.append(row);
}

/** Asks now, and again while somebody looks. */
export const startPeople = poll;
