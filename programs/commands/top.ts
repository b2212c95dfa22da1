/**
 * `client.ts top`: who is on the bus, at which rates, and who loses messages; again and again.
 *
 * @module
 */
import { type FlagValues, UsageError } from "../arguments.ts";
import { refuseRest } from "../client_flags.ts";
import type { Command } from "../command.ts";
import { durationFlag, integerFlag, ProgramError } from "../command_line.ts";
import { readToken } from "../key_file.ts";
import { complain, print, printClean, untilReaderGone } from "../log.ts";
import { DEFAULT_PORTS } from "../ports.ts";
import { quote } from "../../base/quote.ts";
import { pause } from "../../base/waits.ts";
import type { Stop } from "../stop.ts";
import { environment, lookOfStdout } from "../terminal.ts";
import { type Sample, TopSource } from "../top_sample.ts";
import { overview, topLines } from "../top_screen.ts";

export const command: Command = {
  usage: "[options]",
  flags: {
    http: {
      type: "string",
      value: "URL",
      help: `the web side of the broker (broker.ts --http), or only its port; without it BUS_HTTP where
--allow-env=BUS_HTTP is given, else ${DEFAULT_PORTS.http}`,
    },
    "token-file": { type: "string", value: "F", help: "for a web side with a token: the file that holds it" },
    every: { type: "string", value: "SECONDS", help: "how often; 1 by default" },
    count: { type: "string", value: "N", help: "stop after N times; 1 where stdout is no terminal" },
    json: { type: "boolean", help: "print one line of JSON each time" },
  },
  notes:
    `It asks the web side of the broker, since that knows who is connected, and sends nothing over the bus.
Ctrl+C ends it.`,
  isService: true,
  run,
};

async function run(values: FlagValues, rest: readonly string[], stop: Stop): Promise<void> {
  refuseRest(rest);
  const url = urlOf(values);
  const file = values["token-file"];
  const source = new TopSource(url, typeof file === "string" ? readToken("token-file", file) : undefined);
  const everyMs = durationFlag(values, "every", "s", 100) ?? 1000;
  const isScreen = Deno.stdout.isTerminal() && values.json !== true;
  const count = integerFlag(values, "count", 1, Number.MAX_SAFE_INTEGER) ??
    (Deno.stdout.isTerminal() ? Infinity : 1);
  const signal = AbortSignal.any([stop.signal, untilReaderGone()]);
  let before: Sample;
  try {
    before = await source.take(signal);
    if (isScreen) printClean(HIDE_CURSOR);
    for (let n = 0; n < count; n++) {
      await pause(everyMs, signal);
      if (signal.aborted) break;
      const now: Sample | undefined = await takeOr(source, signal);
      if (now === undefined) {
        n--;
        continue;
      }
      const state = overview(before, now);
      before = now;
      if (values.json === true) print(JSON.stringify({ time: new Date().toISOString(), ...state }));
      else {
        const look = lookOfStdout();
        const lines = topLines(
          url,
          state,
          now,
          look,
          isScreen ? Deno.consoleSize().rows - 1 : Infinity,
          Date.now(),
        );
        if (isScreen) printClean(HOME + lines.map((line) => line + CLEAR_LINE).join("\n") + CLEAR_REST);
        else for (const line of lines) printClean(line);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    if (isScreen) printClean(SHOW_CURSOR);
  }
}

/** A gateway that is away may come back, once it was there. */
async function takeOr(source: TopSource, signal: AbortSignal): Promise<Sample | undefined> {
  try {
    return await source.take(signal);
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    complain(`${error.message}; trying again`);
    return undefined;
  }
}

function urlOf(values: FlagValues): string {
  const given = values.http ?? environment("BUS_HTTP") ?? String(DEFAULT_PORTS.http);
  const text = String(given);
  const full = /^:?\d{1,5}$/.test(text)
    ? `http://127.0.0.1:${text.replace(":", "")}`
    : text.includes("://")
    ? text
    : `http://${text}`;
  if (!/^https?:/.test(full) || !URL.canParse(full)) {
    throw new UsageError(
      `Cannot use --http ${quote(text)}: expected a URL such as http://127.0.0.1:8000, or a port`,
    );
  }
  return full.replace(/^http:\/\/localhost(?=[:/]|$)/, "http://127.0.0.1").replace(/\/+$/, "");
}

const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_REST = "\x1b[J";
const HIDE_CURSOR = "\x1b[?25l\x1b[2J";
const SHOW_CURSOR = "\x1b[?25h";
