/**
 * `GET /metrics`: all counters as Prometheus text.
 *
 * @module
 */
import { FAN_OUT_BOUNDS, type HandlerStats } from "./counters.ts";
import { LocalBus } from "../bus/local.ts";
import type { MessageServerStats } from "../bus/server.ts";
import { answer } from "./answers.ts";
import { addArchive } from "./archive_metrics.ts";
import { addBackbone } from "./backbone_metrics.ts";
import { seqText } from "./entry_json.ts";
import type { Gate } from "./gate.ts";

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** So many subscribers are named at most. */
const MAX_NAMED = 100;

/** See the module. */
export function metrics(gate: Gate): Response {
  return answer(formatMetrics(gate), 200, [[
    "content-type",
    "text/plain; version=0.0.4; charset=utf-8",
  ]]);
}

/** The text of the answer. */
export function formatMetrics(gate: Gate): string {
  const { port, feed } = gate.hub;
  const stats: HandlerStats = gate.stats();
  const lines: string[] = [];
  const add = (name: string, type: "counter" | "gauge", help: string, samples: readonly Sample[]) => {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`${name}${formatLabels(labels)} ${value}`);
  };
  const byKey = (label: string, values: Readonly<Record<string, number>>): Sample[] =>
    Object.entries(values).map(([key, value]) => [{ [label]: key }, value]);

  const one = (name: string, type: "counter" | "gauge", help: string, value: number) =>
    add(name, type, help, [[{}, value]]);

  add("braviz_broker_up", "gauge", "Is the address of the broker connected.", [
    [{ direction: "broadcast" }, Number(port?.isReceiving ?? false)],
    [{ direction: "receive" }, Number(port?.isSending ?? false)],
  ]);
  one("braviz_bus_messages_received_total", "counter", "Messages that came from the bus.", feed.count);
  one("braviz_bus_last_seq", "gauge", "Number of the last message.", feed.seq);
  one(
    "braviz_bus_oldest_seq",
    "gauge",
    "Number of the oldest message that is still held.",
    Number(seqText(feed.place(feed.oldest))),
  );
  one("braviz_bus_held_messages", "gauge", "Messages that are still held.", feed.held.messages);
  one("braviz_bus_held_bytes", "gauge", "Bytes of these messages.", feed.held.bytes);
  one("braviz_bus_gaps_total", "counter", "Gaps in what came from the bus.", feed.gaps.told);
  one(
    "braviz_bus_missed_messages_total",
    "counter",
    "Messages missing in these gaps, as far as known.",
    feed.gaps.missed,
  );
  if (port instanceof LocalBus) addBroker(port.stats() as MessageServerStats);
  else if (port !== undefined) {
    add(
      "braviz_bus_client_stat",
      "gauge",
      "Counters of the bus client, as it names them.",
      flatten(port.stats()),
    );
  }
  function addBroker(
    { received, receivedBytes, broadcast, refused, ignored, memory, senders, subscribers, backbone }:
      MessageServerStats,
  ) {
    one(
      "braviz_broker_received_messages_total",
      "counter",
      "Messages that came in, whatever became of them.",
      received,
    );
    one("braviz_broker_accepted_bytes_total", "counter", "Bytes of those that were accepted.", receivedBytes);
    one("braviz_broker_broadcast_messages_total", "counter", "Messages that were passed on.", broadcast);
    add(
      "braviz_broker_refused_messages_total",
      "counter",
      "Messages that were refused, by reason.",
      byKey("reason", refused),
    );
    one("braviz_broker_ignored_messages_total", "counter", "Messages that came in while paused.", ignored);
    if (backbone !== undefined) addBackbone(backbone, add);
    if (memory !== undefined) {
      one(
        "braviz_broker_memory_bytes",
        "gauge",
        "Bytes that queues and unfinished messages use.",
        memory.usedBytes,
      );
      one("braviz_broker_memory_limit_bytes", "gauge", "Bytes that they may use.", memory.limitBytes);
    }
    const listening = Object.entries({ receive: senders, broadcast: subscribers });
    add(
      "braviz_broker_connections",
      "gauge",
      "Connections by address.",
      listening.flatMap(([address, stats]) => stats === undefined ? [] : [[{ address }, stats.connections]]),
    );
    add(
      "braviz_broker_faults_total",
      "counter",
      "Connections that ended for a fault of the peer.",
      listening.flatMap(([address, stats]) =>
        Object.entries(stats?.faults ?? {}).map(([code, value]): Sample => [{ address, code }, value])
      ),
    );
    if (subscribers === undefined) return;
    one(
      "braviz_broker_dropped_messages_total",
      "counter",
      "Messages that subscribers lost because they were too slow.",
      subscribers.dropped,
    );
    one(
      "braviz_broker_discarded_messages_total",
      "counter",
      "Messages that waited for subscribers when their connections ended.",
      subscribers.discarded,
    );
    one(
      "braviz_broker_waited_seconds_total",
      "counter",
      "Time for which senders waited for subscribers that had fallen behind.",
      subscribers.waitedMs / 1000,
    );
    one("braviz_broker_waited_for", "gauge", "Subscribers that senders wait for.", subscribers.waitedFor);
    add(
      "braviz_broker_subscriber_waited_seconds",
      "gauge",
      "The same for each subscriber that is connected and was waited for, the longest first.",
      subscribers.subscribers.filter(({ waitedMs }) => waitedMs > 0)
        .toSorted((a, b) => b.waitedMs - a.waitedMs).slice(0, MAX_NAMED)
        .map(({ address, waitedMs }): Sample => [{ address }, waitedMs / 1000]),
    );
    const queued = subscribers.subscribers.reduce((sum, { queuedMessages }) => sum + queuedMessages, 0);
    one("braviz_broker_queued_messages", "gauge", "Messages that wait for subscribers.", queued);
  }
  const { archive } = gate.settings;
  if (archive !== undefined) addArchive(archive, add);
  add(
    "braviz_http_requests_total",
    "counter",
    "Requests by route and status.",
    Object.entries(stats.requests).map(([key, value]) => {
      const [route = "", status = ""] = key.split(" ");
      return [{ route, status }, value];
    }),
  );
  add(
    "braviz_http_refused_total",
    "counter",
    "Refused requests and messages by problem code.",
    byKey("code", stats.refused),
  );
  add("braviz_http_waiting", "gauge", "Clients that wait right now.", byKey("kind", stats.waiting));
  add("braviz_http_gone_total", "counter", "Clients that left while they waited.", byKey("kind", stats.gone));
  add("braviz_http_published_messages_total", "counter", "Messages taken from clients.", [[
    {},
    stats.published.messages,
  ]]);
  add("braviz_http_published_bytes_total", "counter", "Their length.", [[{}, stats.published.bytes]]);
  add(
    "braviz_http_sent_messages_total",
    "counter",
    "Messages that went out to clients.",
    Object.entries(stats.sent).map(([transport, { messages }]) => [{ transport }, messages]),
  );
  add(
    "braviz_http_sent_bytes_total",
    "counter",
    "Their length.",
    Object.entries(stats.sent).map(([transport, { bytes }]) => [{ transport }, bytes]),
  );
  add("braviz_http_relayed_messages_total", "counter", "Messages from socket to socket without a broker.", [[
    {},
    stats.relayed,
  ]]);
  add(
    "braviz_http_slow_clients_cut_total",
    "counter",
    "Readers that were too slow.",
    byKey("transport", stats.slowClientsCut),
  );
  add("braviz_http_gaps_total", "counter", "Gaps that clients were told of.", [[{}, stats.gaps.told]]);
  add("braviz_http_missed_messages_total", "counter", "Messages in these gaps, as far as known.", [[
    {},
    stats.gaps.missed,
  ]]);
  one(
    "braviz_http_memory_bytes",
    "gauge",
    "Bytes held for clients: bodies, unread answers, queues.",
    stats.memory.usedBytes,
  );
  one(
    "braviz_http_memory_cut_total",
    "counter",
    "WebSockets cut because unfinished messages took too much memory.",
    stats.memory.cut,
  );
  one("braviz_http_memory_limit_bytes", "gauge", "Bytes that may be held.", stats.memory.limitBytes);
  one(
    "braviz_http_upgrades_under_way",
    "gauge",
    "WebSockets that are not open yet.",
    stats.upgrades.underWay,
  );
  one(
    "braviz_http_upgrades_lost",
    "gauge",
    "WebSockets that were broken off while they opened; each has cost a descriptor.",
    stats.upgrades.lost,
  );
  add("braviz_http_draining", "gauge", "Is the gateway stopping.", [[{}, Number(stats.isDraining)]]);

  add("braviz_http_lingering_sockets", "gauge", "WebSockets that we closed and that are not gone yet.", [
    [{}, stats.lingering],
  ]);
  add("braviz_http_listen_restarts_total", "counter", "How often listening began again after a fault.", [[
    {},
    stats.listenRestarts,
  ]]);

  const name = "braviz_http_fan_out_seconds";
  lines.push(`# HELP ${name} Time to hand new messages to all who wait.`, `# TYPE ${name} histogram`);
  FAN_OUT_BOUNDS.forEach((bound, i) =>
    lines.push(`${name}_bucket{le="${bound}"} ${stats.fanOut.buckets[i]}`)
  );
  lines.push(`${name}_bucket{le="+Inf"} ${stats.fanOut.rounds}`);
  lines.push(`${name}_sum ${stats.fanOut.seconds}`, `${name}_count ${stats.fanOut.rounds}`);
  return `${lines.join("\n")}\n`;
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escape(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Numbers of an object and of the objects in it, by their path. */
function flatten(stats: object, path = "", depth = 0): Sample[] {
  return Object.entries(stats).flatMap(([key, value]: [string, unknown]): Sample[] => {
    const name = path === "" ? key : `${path}.${key}`;
    if (typeof value === "number" && Number.isFinite(value)) return [[{ name }, value]];
    if (typeof value === "boolean") return [[{ name }, Number(value)]];
    const isDeeper = typeof value === "object" && value !== null && !Array.isArray(value) && depth < 3;
    return isDeeper ? flatten(value, name, depth + 1) : [];
  });
}
