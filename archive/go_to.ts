/**
 * Back to a moment: what was valid then is sent again, and each instance is asked to load the state that it had.
 *
 * @module
 */
import { ArchiveError, MessageError, QueueFullError } from "../base/errors.ts";
import { memberSpan } from "../bus/json_member.ts";
import type { BusPort } from "../bus/port.ts";
import type { GoTo, GoToResult, Plan } from "../bus/recording.ts";

/** Sends what the plan holds, values first. `bodyOf` gives the bytes of a message of the session. */
export async function goTo(
  { values, instances }: Plan,
  port: BusPort,
  what: GoTo,
  bodyOf: (seq: number) => Promise<Uint8Array>,
): Promise<GoToResult> {
  const sent: GoToResult["sent"][number][] = [];
  const skipped: GoToResult["skipped"][number][] = [];
  for (const { key, type, seq, text } of values) {
    if (!(what.values?.includes(key) ?? true)) continue;
    port.publish([text]);
    sent.push({ type, instance: null, seq });
  }
  for (const { instance, seq, restorable, reason } of instances) {
    const isChosen = what.instances?.includes(instance);
    if (isChosen === false) continue;
    if (!restorable) {
      skipped.push({ instance, reason: reason! });
      continue;
    }
    try {
      const text = reloadText(await bodyOf(seq));
      if (text === undefined) {
        skipped.push({ instance, reason: "no-state" });
        continue;
      }
      port.publish([text]);
      sent.push({ type: "reload", instance, seq });
    } catch (error) {
      skipped.push({ instance, reason: reasonOf(error) });
    }
  }
  for (const instance of what.instances ?? []) {
    if (!instances.some((known) => known.instance === instance)) {
      skipped.push({ instance, reason: "unknown" });
    }
  }
  return { sent, skipped };
}

/**
 * The `reload` for a log message, made of its own bytes, so that large numbers and white space survive; undefined where there is no
 * instance or no state.
 */
export function reloadText(log: Uint8Array): string | undefined {
  const pid = memberSpan(log, 0, log.length, "pid");
  if (pid === undefined) return undefined;
  const target = decoder.decode(log.subarray(pid.start, pid.end));
  const state = memberSpan(log, 0, log.length, "state");
  if (state === undefined) return undefined;
  return `{"type":"reload","target":${target},"scenario":${
    decoder.decode(log.subarray(state.start, state.end))
  }}`;
}

function reasonOf(error: unknown): string {
  if (error instanceof QueueFullError || error instanceof MessageError) return error.code;
  if (error instanceof ArchiveError && error.code === "damaged") return error.code;
  throw error;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
