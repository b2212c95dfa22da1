/**
 * The counters of a recorder and of a replay, as samples of `GET /metrics`.
 *
 * @module
 */
import type { ArchivePort } from "../bus/recording.ts";

/** Adds a metric. */
export type AddMetric = (
  name: string,
  type: "counter" | "gauge",
  help: string,
  samples: readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[],
) => void;

const STATES = ["recording", "paused", "full", "failed", "ended"] as const;

/** See the module. */
export function addArchive({ recorder, replay }: ArchivePort, add: AddMetric): void {
  if (recorder !== undefined) {
    const stats = recorder.stats();
    const one = (name: string, type: "counter" | "gauge", help: string, value: number) =>
      add(`braviz_archive_${name}`, type, help, [[{}, value]]);
    add(
      "braviz_archive_state",
      "gauge",
      "1 for the state that the recorder is in.",
      STATES.map((state) => [{ state }, Number(state === stats.state)]),
    );
    one("session", "gauge", "Session that is being recorded.", stats.session);
    one("received_messages_total", "counter", "Messages that came to the recorder.", stats.received);
    one("recorded_messages_total", "counter", "Messages that were taken for the file.", stats.recorded);
    one("written_messages_total", "counter", "Messages that are on disk.", stats.onDisk);
    add(
      "braviz_archive_left_out_messages_total",
      "counter",
      "Messages that were left out on purpose, by reason.",
      Object.entries(stats.leftOut).map(([reason, value]) => [{ reason }, value]),
    );
    add(
      "braviz_archive_lost_messages_total",
      "counter",
      "Messages that are missing in the file, by reason, as far as known.",
      Object.entries(stats.lost).map(([reason, value]) => [{ reason }, value]),
    );
    one("gaps_total", "counter", "Gaps in the file, those of unknown size included.", stats.gaps);
    one("waiting_bytes", "gauge", "Bytes that wait to be written.", stats.waitingBytes);
    one("lag_seconds", "gauge", "Age of the oldest message that is not on disk.", stats.lagMs / 1000);
    one("file_bytes", "gauge", "Size of the file.", stats.fileBytes);
  }
  add("braviz_archive_replays", "gauge", "Replays that go on.", [
    [{}, Number(replay !== undefined && replay.status().state !== "ended")],
  ]);
}
