// Who is here, and what was refused: both as the broker tells. A gateway without a broker in its process cannot tell, and
// the panels stay hidden.

import { byId, clockText, element, numberText, setText, sizeText } from "./dom.js";
import { ask } from "./gateway.js";
import { drawSites } from "./sites.js";

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

function draw({ connections, refusals, failedHandshakes, backbone }) {
  byId("people").hidden = !Array.isArray(connections);
  byId("refused").hidden = !Array.isArray(refusals) && !Array.isArray(failedHandshakes);
  drawSites(backbone);
  drawConnections(connections ?? []);
  drawRefused([
    ...(refusals ?? []).map(refusalOf),
    ...(failedHandshakes ?? []).map(handshakeOf),
  ]);
}

function drawConnections(connections) {
  const sending = connections.filter(({ role }) => role === "send").length;
  const listening = connections.length - sending;
  setText(byId("people-note"), `Connections that send: ${sending}, that listen: ${listening}.`);
  fill(byId("people-rows"), programsOf(connections), (program) => {
    const [{ name, address, pid, publicKey }] = program;
    const who = element("td");
    who.append(element("bdi", "", name ?? publicKey ?? address));
    const since = Math.min(...program.map(({ since }) => since));
    const more = [
      name === undefined && publicKey === undefined ? undefined : address,
      pid === undefined ? undefined : `process ${pid}`,
      `since ${clockText(since)}`,
    ];
    who.append(element("span", "more-of-it", more.filter((part) => part !== undefined).join(", ")));
    const row = element("tr");
    row.append(who, cellOf(program, "send"), cellOf(program, "listen"));
    return row;
  });
}

/** The connections of each program; one that does not say whose it is stands for itself. */
function programsOf(connections) {
  const programs = new Map();
  for (const connection of connections) {
    const key = connection.instanceId ?? connection.address;
    if (!programs.has(key)) programs.set(key, []);
    programs.get(key).push(connection);
  }
  return [...programs.values()];
}

/** How much a program sent or heard. */
function cellOf(program, role) {
  const cell = element("td", "number");
  const those = program.filter((connection) => connection.role === role);
  const sum = (name) => those.reduce((sum, connection) => sum + (connection[name] ?? 0), 0);
  if (those.length === 0) {
    cell.textContent = "–";
    return cell;
  }
  cell.append(numberText(sum("messages")), element("span", "more-of-it", sizeText(sum("bytes"), "B")));
  if (sum("queued") > 0) cell.append(element("span", "more-of-it", `${numberText(sum("queued"))} wait`));
  if (sum("dropped") > 0) {
    cell.append(element("span", "more-of-it bad", `${numberText(sum("dropped"))} lost`));
  }
  return cell;
}

const refusalOf = ({ time, reason, sender, text }) => ({ time, what: reason, who: sender, text });

const handshakeOf = ({ time, code, message, address, role, hint }) => ({
  time,
  what: `no connection: ${code}`,
  who: `${address} at the address to ${role === "send" ? "send to" : "listen at"}`,
  text: hint || message,
});

function drawRefused(refused) {
  const newest = grouped(refused.toSorted((a, b) => b.time - a.time));
  setText(byId("refused-note"), newest.length === 0 ? "Nothing." : "");
  fill(byId("refused-rows"), newest, ({ time, what, who, text, times }) => {
    const row = element("li");
    row.append(
      element("time", "time", clockText(time)),
      " ",
      element("b", "", times === 1 ? what : `${what}, ${numberText(times)} times`),
      " ",
      element("bdi", "more-of-it", `from ${who}`),
      element("bdi", "quote", text),
    );
    return row;
  });
}

/** The same again is told once, with the newest time: who cannot join tries many times, from a new port each time. */
function grouped(refused) {
  const groups = new Map();
  for (const { time, what, who, text } of refused) {
    const key = JSON.stringify([what, who.replace(/:\d+/, ""), text]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { time, what, who, text, times: 1 });
    else group.times += 1;
  }
  return [...groups.values()];
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
