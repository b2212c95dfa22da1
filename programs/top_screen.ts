/**
 * What `client.ts top` shows of two samples. Pure but for the time of the day.
 *
 * @module
 */
import { quote, visible } from "../base/quote.ts";
import { colored, type Look, shortened } from "./terminal.ts";
import type { Peer, Sample } from "./top_sample.ts";

/** A connection, with what it did between the samples. */
export interface Row extends Peer {
  /** Messages a second. */
  readonly rate: number;
  /** Messages that a listener lost since the sample before. */
  readonly lost: number;
}

/** The whole bus. */
export interface Overview {
  readonly rate: number;
  readonly bytesRate: number;
  readonly messages: number;
  readonly dropped: number;
  readonly refused: number;
  readonly waitedSeconds: number;
  readonly heldMessages: number;
  readonly heldBytes: number;
  /** The busiest first. */
  readonly rows: readonly Row[];
}

/** What happened between two samples. */
export function overview(before: Sample, now: Sample): Overview {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const known = new Map(before.peers.map((peer) => [keyOf(peer), peer]));
  const count = (name: string) => now.counters[name] ?? 0;
  // A broker that began anew counts from 0.
  const rise = (name: string) => Math.max(0, count(name) - (before.counters[name] ?? 0));
  const rows = now.peers.map((peer) => {
    const old = known.get(keyOf(peer));
    return {
      ...peer,
      rate: Math.max(0, peer.messages - (old?.messages ?? 0)) / seconds,
      lost: Math.max(0, peer.dropped - (old?.dropped ?? 0)),
    };
  });
  rows.sort((a, b) => b.rate - a.rate || b.messages - a.messages || a.address.localeCompare(b.address));
  return {
    rate: rise("broker_received_messages_total") / seconds,
    bytesRate: rise("broker_accepted_bytes_total") / seconds,
    messages: count("broker_received_messages_total"),
    dropped: count("broker_dropped_messages_total"),
    refused: count("broker_refused_messages_total"),
    waitedSeconds: count("broker_waited_seconds_total"),
    heldMessages: count("bus_held_messages"),
    heldBytes: count("bus_held_bytes"),
    rows,
  };
}

function keyOf({ role, address }: Peer): string {
  return `${role} ${address}`;
}

/** What matters least stands last, where a narrow terminal cuts it off. */
const HEADS = ["", "NAME", "MESSAGES/S", "ALL", "LOST", "WAITING", "HELD UP", "HEARD", "ADDRESS"] as const;
const LEFT: readonly number[] = [0, 1, 8];

/** The lines of a screen of so many rows. */
export function topLines(
  where: string,
  state: Overview,
  sample: Sample,
  look: Look,
  maxLines: number,
  now: number,
): string[] {
  const clock = new Date(now).toTimeString().slice(0, 8);
  const { rows } = state;
  const senders = rows.filter(({ role }) => role === "send").length;
  const troubles = troubleLines(sample);
  const room = Math.max(3, maxLines - 5 - troubles.length);
  const shown = rows.slice(0, room);
  const cells = shown.map((row) => [
    row.role,
    visible(row.name ?? row.address) + (row.pid === undefined ? "" : ` (${row.pid})`),
    number(row.rate),
    number(row.messages),
    row.role === "listen" ? number(row.dropped) : "",
    row.role === "listen" ? number(row.queued) : "",
    row.role === "listen" ? `${number(row.waitedMs / 1000)} s` : "",
    ago(now - row.lastHeard),
    row.address,
  ]);
  const widths = HEADS.map((head, i) => Math.max(head.length, ...cells.map((row) => row[i]!.length)));
  widths[1] = Math.min(MAX_NAME, widths[1]!);
  const line = (row: readonly string[]) =>
    row.map((cell, i) =>
      LEFT.includes(i) ? shortened(cell, widths[i]!).padEnd(widths[i]!) : cell.padStart(widths[i]!)
    )
      .join("  ").trimEnd();
  const fit = (text: string) => look.columns === undefined ? text : shortened(text, look.columns);
  const lost = `${number(state.dropped)} lost by slow listeners, ${number(state.refused)} refused`;
  return [
    fit(
      `${clock}  ${where}  ${number(state.rate)} messages/s, ${bytes(state.bytesRate)}/s, ${
        number(state.messages)
      } in all`,
    ),
    colored(
      fit(`${lost}, senders held up for ${number(state.waitedSeconds)} s`),
      hasLoss(state) ? "bad" : "time",
      look,
    ),
    fit(
      `senders: ${senders}, listeners: ${rows.length - senders}; held for those who come back: ${
        number(state.heldMessages)
      } messages, ${bytes(state.heldBytes)}`,
    ),
    "",
    colored(fit(line(HEADS)), "type", look),
    ...cells.map((row, i) => shown[i]!.lost > 0 ? colored(fit(line(row)), "bad", look) : fit(line(row))),
    ...(rows.length > shown.length ? [`… and ${rows.length - shown.length} more`] : []),
    ...troubles.map(fit),
  ];
}

const MAX_NAME = 28;

function hasLoss({ dropped, refused }: Overview): boolean {
  return dropped > 0 || refused > 0;
}

/** The newest of what was refused, and of who could not join. */
function troubleLines({ refusals, failed }: Sample): string[] {
  const clock = (time: number) => new Date(time).toTimeString().slice(0, 8);
  const all = [
    ...refusals.map(({ time, reason, sender, text }) => ({
      time,
      line: `${clock(time)}  refused (${reason}) from ${visible(sender)}: ${quote(text, 60)}`,
    })),
    ...failed.map(({ time, address, code, hint }) => ({
      time,
      line: `${clock(time)}  ${visible(address)} could not join (${code})${
        hint === "" ? "" : `: ${visible(hint)}`
      }`,
    })),
  ].sort((a, b) => b.time - a.time).slice(0, 3);
  return all.length === 0 ? [] : ["", ...all.map(({ line }) => line)];
}

/** Three digits that count. */
function number(value: number): string {
  const digits = value === 0 || value >= 10 ? 0 : value >= 1 ? 1 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

function bytes(value: number): string {
  const at = value < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(value) / 3));
  return `${number(value / 1000 ** at)} ${["B", "kB", "MB", "GB"][at]}`;
}

function ago(ms: number): string {
  if (ms < 2000) return "now";
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}
