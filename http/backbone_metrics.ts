/**
 * How the backbone fares, as samples of `GET /metrics`.
 *
 * @module
 */
import type { BackboneStatus } from "../bus/backbone.ts";
import type { AddMetric } from "./archive_metrics.ts";

const STATES = ["connecting", "joined", "holding", "island", "refused", "closed"] as const;
/** Those that can fall again; all others only rise. */
const GAUGES: ReadonlySet<string> = new Set(["queued", "queuedBytes", "lastSeq", "left", "lag"]);
const LATENCY = /^confirmedIn([\d.]+)Ms$/;

/** See the module. */
export function addBackbone(
  { state, isIsland, stateMs, counts, sites }: BackboneStatus,
  add: AddMetric,
): void {
  add(
    "braviz_backbone_state",
    "gauge",
    "1 for the state that the backbone is in.",
    STATES.map((name) => [{ state: name }, Number(name === state)]),
  );
  add("braviz_backbone_state_seconds", "gauge", "Time in this state.", [[{}, stateMs / 1000]]);
  add("braviz_backbone_island", "gauge", "Do local people not wait for the others?", [[
    {},
    Number(isIsland),
  ]]);
  add("braviz_backbone_sites", "gauge", "Other brokers that were heard.", [[{}, sites.length]]);
  const plain = Object.entries(counts).filter(([name]) => !LATENCY.test(name) && !/^latenc/.test(name));
  for (const [name, value] of plain) {
    const isGauge = GAUGES.has(name);
    add(
      `braviz_backbone_${snake(name)}${isGauge ? "" : "_total"}`,
      isGauge ? "gauge" : "counter",
      HELP[name] ?? `The counter ${name} of the backbone.`,
      [[{}, value]],
    );
  }
  add(
    "braviz_backbone_confirmed_within",
    "counter",
    "Confirmations of NATS that were measured, and took no longer than so many seconds.",
    [
      ...Object.entries(counts).flatMap(([name, value]): [Record<string, string>, number][] => {
        const bound = LATENCY.exec(name)?.[1];
        return bound === undefined ? [] : [[{ le: String(Number(bound) / 1000) }, value]];
      }),
      [{ le: "+Inf" }, counts.latencies ?? 0],
    ],
  );
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (char) => `_${char.toLowerCase()}`);
}

const HELP: Readonly<Record<string, string>> = {
  sent:
    "Messages that were to go to the others: the sum of those that are confirmed, queued, dropped, too large and forbidden.",
  confirmed: "Messages that NATS has.",
  queued: "Messages that NATS has not confirmed.",
  queuedBytes: "Bytes of what waits.",
  resent: "Messages that were sent again.",
  dropped: "Messages that never went out because too many waited.",
  tooLarge: "Messages larger than the servers take.",
  forbidden: "Messages that the server does not let this user send.",
  received: "Messages of other brokers that were passed on.",
  repeats: "Messages that had come before.",
  outOfTurn: "Messages that came before their turn; their sender says them again.",
  missed: "Messages of other brokers that are missing here.",
  foreign: "Messages of programs that are no brokers.",
  ownBack: "Messages of our own that came back.",
  skippedOld: "Messages that were too old to be caught up with.",
  islands: "How often this site became an island.",
  islandMessages: "Messages that local people heard without waiting.",
  lastSeq: "The stream's number of the last message that was heard.",
  lag: "Messages of the stream that were not heard yet, as far as its end is known.",
  cut: "Messages that the stream's limits cut before they were read here.",
};
