/**
 * An afternoon of analysis, as applications tell it over the bus: three applications, one of them twice.
 */
import { png } from "./png.ts";

/** A message, and how many milliseconds after the one before it came. */
export interface Told {
  readonly afterMs: number;
  readonly message: Readonly<Record<string, unknown>>;
}

const VARIABLES = ["age", "weight", "FSIQ", "corpus_callosum", "gender"];

/** The story. `length` says how many rounds of work there are; each has about 14 messages. */
export async function story(length: number): Promise<readonly Told[]> {
  const told: Told[] = [];
  const say = (afterMs: number, message: Record<string, unknown>) => told.push({ afterMs, message });
  const apps = [
    { application: "subject_overview", pid: "3f1c-subject", source_pid: 4101 },
    { application: "anova", pid: "77aa-anova", source_pid: 4117 },
    { application: "anova", pid: "78ab-anova", source_pid: 4133 },
    { application: "sample_overview", pid: "90cd-sample", source_pid: 4150 },
  ] as const;
  for (const { pid, source_pid } of apps) say(4000, { type: "ready", source_pid, source_id: pid });
  const log = (app: number, action: string, state: Record<string, unknown>, screenshot?: string) => {
    const { application, pid } = apps[app]!;
    say(2500, {
      type: "log",
      action,
      state,
      pid,
      application,
      time: 0,
      ...(screenshot === undefined ? {} : { screenshot }),
    });
  };
  for (let round = 0; round < length; round += 1) {
    const subject = 119 + round * 7 % 140;
    const sample = Array.from({ length: 6 }, (_, i) => 100 + (round * 13 + i * 17) % 160);
    const variable = VARIABLES[round % VARIABLES.length]!;
    say(9000, { type: "subject", subject });
    for (let i = 0; i < 5; i += 1) say(350, { type: "cursor", x: 10 * i + round, y: 4 * i });
    log(0, `Changed to subject ${subject}`, {
      subject,
      camera: { position: [12.5 + round, -3, 88], zoom: 1.25 },
      structures: ["CC_Anterior", "Left-Hippocampus"],
    }, round % 3 === 0 ? await brain(round) : undefined);
    say(6000, { type: "variables", variables: [variable, "gender"] });
    log(1 + round % 2, `Selected variables ${variable} and gender`, {
      variables: [variable, "gender"],
      outcome: variable,
      sample,
    }, round % 4 === 1 ? await boxes(round) : undefined);
    if (round % 2 === 0) say(5000, { type: "sample", sample });
    if (round % 2 === 0) log(3, `Set sample to ${sample.length} subjects`, { sample, ellipses: true });
    if (round % 5 === 4) {
      say(3000, {
        type: "Visualization",
        source: "anova",
        scenario: { variables: [variable], plot: "scatter" },
      });
    }
  }
  return told;
}

const brain = (seed: number) =>
  png((x, y) => {
    const r = Math.hypot((x - 0.5) * 1.15, y - 0.5);
    const fold = Math.sin(18 * Math.atan2(y - 0.5, x - 0.5) + seed) * 0.02 + Math.sin(40 * r + seed) * 0.5;
    return r > 0.42 + fold * 0.02 ? [24, 28, 36] : [150 + 60 * fold, 120 + 40 * fold, 130 + 50 * fold];
  });

const boxes = (seed: number) =>
  png((x, y) => {
    const column = Math.floor(x * 4);
    const middle = 0.35 + 0.25 * Math.sin(column * 2 + seed);
    const inColumn = x * 4 % 1 > 0.2 && x * 4 % 1 < 0.8;
    if (inColumn && Math.abs(y - middle) < 0.015) return [20, 60, 110];
    if (inColumn && Math.abs(y - middle) < 0.12) return [130, 170, 215];
    return x * 4 % 1 > 0.48 && x * 4 % 1 < 0.52 && Math.abs(y - middle) < 0.25
      ? [60, 60, 60]
      : [250, 250, 248];
  });
