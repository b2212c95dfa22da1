/**
 * What the bench finds out, row by row, and what it is compared with.
 *
 * @module
 */

/** What a row has to reach (design: the table of speeds). */
export interface Bar {
  /** Is it held against the ratio of ours to the peer's, or against our own figure? */
  readonly of: "ratio" | "ours";
  readonly is: "at least" | "at most";
  readonly value: number;
}

/** One row. */
export interface Figure {
  /** Unique, for `--only` and the baseline. */
  readonly name: string;
  /** For people. */
  readonly what: string;
  readonly unit: string;
  readonly ours: Spread;
  /** Undefined for a row without a peer. */
  readonly peer: Spread | undefined;
  readonly peerName: string;
  /** Ours with libzmq as transport, under the same load in the same rounds; undefined where that is not measured. */
  readonly libzmq: Spread | undefined;
  /** Ours to the peer's, in the same round. */
  readonly ratio: Spread | undefined;
  /** Is a larger ratio better? */
  readonly isMoreBetter: boolean;
  readonly bar: Bar | undefined;
  /** Undefined without a bar. */
  readonly holds: boolean | undefined;
  /** What else must be known, such as messages that were lost. */
  readonly note: string;
}

/** Of several rounds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** What {@linkcode figure} is made of. */
export interface FigureParts {
  readonly name: string;
  readonly what: string;
  readonly unit: string;
  readonly ours: readonly number[];
  /** As many as ours, taken in turn with them. */
  readonly peer?: readonly number[];
  readonly peerName?: string;
  /** Ours with libzmq as transport. */
  readonly libzmq?: readonly number[] | undefined;
  readonly isMoreBetter: boolean;
  readonly note?: string;
}

/** The bars, by row. */
const BARS: Readonly<Record<string, Bar>> = {
  "1to1-100B": { of: "ratio", is: "at least", value: 2 },
  "1to1-100B-cpu": { of: "ratio", is: "at most", value: 0.35 },
  "1to16-100B": { of: "ratio", is: "at least", value: 3.5 },
  "1to16-100B-cpu": { of: "ratio", is: "at most", value: 0.35 },
  "original-100B": { of: "ratio", is: "at least", value: 5 },
  "libzmq-ends-100B": { of: "ratio", is: "at least", value: 1.3 },
  "libzmq-ends-1kB": { of: "ratio", is: "at least", value: 1.2 },
  "libzmq-ends-30kB": { of: "ratio", is: "at least", value: 1.2 },
  "libzmq-ends-1MB": { of: "ratio", is: "at least", value: 1 },
  "round-trip-p50": { of: "ratio", is: "at most", value: 0.7 },
  "round-trip-p99": { of: "ratio", is: "at most", value: 1 },
  "client-send-text": { of: "ratio", is: "at least", value: 4 },
  "client-send-object": { of: "ratio", is: "at least", value: 4 },
  "client-receive-text": { of: "ratio", is: "at least", value: 4 },
  "curve-100B": { of: "ratio", is: "at least", value: 0.9 },
  "mixed-load-longest": { of: "ours", is: "at most", value: 20 },
  "flood-1to1": { of: "ratio", is: "at least", value: 0.9 },
  "flood-1to16": { of: "ratio", is: "at least", value: 0.9 },
  "resume-100k": { of: "ours", is: "at most", value: 300 },
  "recorded-million": { of: "ratio", is: "at least", value: 0.7 },
  "recording-calm-p99": { of: "ratio", is: "at most", value: 1.1 },
  "replay-p50": { of: "ours", is: "at most", value: 2 },
  "replay-p99": { of: "ours", is: "at most", value: 10 },
  "archive-10M-open": { of: "ours", is: "at most", value: 1000 },
  "archive-10M-search": { of: "ours", is: "at most", value: 100 },
  "archive-10M-seek": { of: "ours", is: "at most", value: 100 },
  "archive-10M-seek-time": { of: "ours", is: "at most", value: 100 },
  "backbone-stream": { of: "ours", is: "at least", value: 25_000 },
  "backbone-stream-cpu": { of: "ours", is: "at most", value: 15 },
  "backbone-stream-p50": { of: "ours", is: "at most", value: 2 },
  "start": { of: "ratio", is: "at most", value: 1.4 },
  "idle-subscriber": { of: "ours", is: "at most", value: 32 },
  "stuck-subscriber-growth": { of: "ours", is: "at most", value: 1.1 },
};

/** A row out of its rounds. */
export function figure(parts: FigureParts): Figure {
  const { name, what, unit, ours, peer, peerName = "", isMoreBetter, note = "" } = parts;
  const ratio = peer === undefined ? undefined : spread(ours.map((value, i) => value / peer[i]!));
  const bar = BARS[name];
  const value = bar?.of === "ours" ? spread(ours).median : ratio?.median;
  const holds = bar === undefined || value === undefined
    ? undefined
    : bar.is === "at least"
    ? value >= bar.value
    : value <= bar.value;
  return {
    name,
    what,
    unit,
    ours: spread(ours),
    peer: peer && spread(peer),
    peerName,
    libzmq: parts.libzmq && spread(parts.libzmq),
    ratio,
    isMoreBetter,
    bar,
    holds,
    note,
  };
}

/** Median and extremes. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: sorted[sorted.length >> 1]!, least: sorted[0]!, most: sorted.at(-1)! };
}

/** Rows for people. */
export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map((row) => [
    row.name,
    row.what,
    `${short(row.ours.median)}${row.unit}`,
    row.peer === undefined ? "" : `${short(row.peer.median)}${row.unit} ${row.peerName}`,
    row.ratio === undefined
      ? ""
      : `${short(row.ratio.median)} (${short(row.ratio.least)}-${short(row.ratio.most)})`,
    row.bar === undefined
      ? ""
      : `${row.bar.is === "at least" ? ">=" : "<="} ${row.bar.value}${
        row.bar.of === "ours" ? row.unit : ""
      } ` +
        (row.holds === true ? "holds" : "MISSED"),
    row.libzmq === undefined ? "" : `${short(row.libzmq.median)}${row.unit}`,
    row.note,
  ]);
  return formatTable(["row", "what", "ours", "peer", "ratio (spread)", "bar", "ours on libzmq", ""], rows);
}

/** Columns as wide as they must be. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}

/** Three digits and a letter. */
export function short(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  if (value >= 100) return `${value.toFixed(0)} `.trimEnd();
  return value.toPrecision(3);
}
