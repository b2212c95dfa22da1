/**
 * A million messages at full speed from libzmq's C code to a reader of its own, through a broker that records them and one that does not.
 *
 * @module
 */
import { setTimeout as pause } from "node:timers/promises";
import { Archive } from "../archive/mod.ts";
import { libzmqChild, startProgram } from "./child.ts";
import { type Figure, figure } from "./figure.ts";
import type { Effort } from "./rows.ts";

const COUNT = 1_000_000;
/** Time for a subscription to arrive. */
const SETTLE_MS = 500;

async function flood(path: string | undefined): Promise<{ readonly rate: number; readonly missed: number }> {
  const flags = path === undefined ? [] : ["--archive", path];
  const permissions = path === undefined ? [] : [`--allow-read=${path}`, `--allow-write=${path}`];
  const ports = ["--broadcast-port", "0", "--receive-port", "0"];
  await using broker = await startProgram([...ports, ...flags], permissions);
  await using listener = libzmqChild("listen", broker.broadcastAddress, COUNT, 100);
  await using sender = libzmqChild("send", broker.receiveAddress, COUNT, 100);
  await Promise.all([listener.read(), sender.read()]);
  await pause(SETTLE_MS);
  const [{ heard, seconds }] = await Promise.all([listener.ask({}), sender.ask({})]) as [
    { heard: number; seconds: number },
    unknown,
  ];
  // What it has not written yet it writes before it ends.
  Deno.kill(broker.pid, "SIGTERM");
  for (let i = 0; i < 300 && isAlive(broker.pid); i++) await pause(100);
  return { rate: heard / seconds, missed: COUNT - heard };
}

/** The row; none where the machine has no libzmq of its own, which `measureLibzmqEnds` says. */
export async function measureRecordedMillion({ rounds }: Effort): Promise<Figure[]> {
  const folder = await Deno.makeTempDir({ dir: new URL(".", import.meta.url).pathname, prefix: "tmp-" });
  try {
    const [ours, peer]: [number[], number[]] = [[], []];
    let [unheard, kept, lost] = [0, 0, 0];
    for (let round = 0; round < Math.min(3, rounds); round++) {
      const path = `${folder}/${round}.db`;
      const recorded = await flood(path);
      ours.push(recorded.rate);
      unheard += recorded.missed;
      peer.push((await flood(undefined)).rate);
      await using archive = await Archive.open(path, { readOnly: true });
      const session = await archive.session(1);
      kept += session.messages;
      lost += session.lost;
    }
    return [figure({
      name: "recorded-million",
      what: "1,000,000 of 100 B from libzmq at full speed, recorded, heard a second",
      unit: "/s",
      ours,
      peer,
      peerName: "without",
      isMoreBetter: true,
      note: `${kept} in the file, ${lost} lost to it, ${unheard} not heard`,
    })];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    // A process that has ended and that nobody has asked for yet has no memory.
    return /VmRSS/.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}
