/**
 * The soak's house: `broker.ts` as people run it, with everything on. Keys, a gateway, an archive, a page in a browser, applications
 * that are stopped and killed and come back, readers and senders from the web, strangers, and, where there is a NATS server, a second
 * site. Everyone says how far it is, and that has to add up to the message.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { Archive } from "../archive/mod.ts";
import { within } from "../base/waits.ts";
import { parsePlace, type Place } from "../bus/place.ts";
import { type CurveKeyPair, curveKeyPair } from "../zmtp/curve/keys.ts";
import { hasNatsServer, NatsServer } from "../tests/support/nats_server.ts";
import { Child } from "./child.ts";
import { memoryBytes } from "./process_stats.ts";
import { attack } from "./soak_hostile.ts";
import type { MemberOptions, MemberReport } from "./soak_member.ts";

const FOLDER = dirname(fileURLToPath(import.meta.url));
const CHROMIUM = "/usr/bin/chromium";
/** Each application sends so many messages a second. */
const PER_SECOND = 40;
/** Everyone is where the broker is after this time, or never will be. */
const SETTLE_MS = 30_000;
/** Those that a stranger without keys can do. */
const ATTACKS = ["browser", "TLS", "ZMTP 2", "wrong type", "message before READY", "reset before READY"];
/** See `soak.ts`. */
const RSS_SLACK_BYTES: number = 64 * 1024 * 1024;

/** What `broker.ts --json` says. */
interface Announced {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
  readonly http: string;
  readonly session: number;
}

/** What came out. */
export interface HouseResult {
  readonly messages: number;
  readonly complaints: readonly string[];
}

/** Runs it for so long once everything is there, and then looks whether everything adds up. */
export async function house(seconds: number, print: (line: string) => void): Promise<HouseResult> {
  const folder = await Deno.makeTempDir({ prefix: "soak-" });
  try {
    const keys = await curveKeyPair();
    await Deno.writeTextFile(join(folder, "secret.key"), `${keys.secretKey}\n`, { mode: 0o600 });
    return await new House(folder, keys, print).run(seconds);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

class House {
  readonly #archive: string;
  readonly #key: string;
  readonly #keys: CurveKeyPair;
  readonly #print: (line: string) => void;
  readonly #complaints: string[] = [];
  readonly #counts = { kills: 0, stops: 0, posts: 0, attacks: 0, outages: 0 };
  readonly #rss: number[] = [];
  #announced!: Announced;
  /** The second site. */
  #away: Announced | undefined;

  constructor(folder: string, keys: CurveKeyPair, print: (line: string) => void) {
    this.#archive = join(folder, "archive.db");
    this.#key = join(folder, "secret.key");
    this.#keys = keys;
    this.#print = print;
  }

  async run(seconds: number): Promise<HouseResult> {
    await using nats = hasNatsServer ? await NatsServer.start() : undefined;
    const backbone = (site: string) =>
      nats === undefined ? [] : ["--backbone", nats.url, "--site", site, "--backbone-hold", "60"];
    const broker = new Child(Deno.execPath(), [
      ...["run", "--no-prompt", "--allow-net=127.0.0.1"],
      ...[`--allow-read=${this.#archive},${this.#key}`, `--allow-write=${this.#archive}`],
      join(FOLDER, "../broker.ts"),
      ...["--json", "--broadcast-port", "0", "--receive-port", "0", "--http", "0", "--no-token"],
      ...["--archive", this.#archive, "--curve-secret-file", this.#key, "--heartbeat", "2"],
      ...["--history", "5000"], // Full early, so that it is no growth.
      ...backbone("home"),
    ], { isQuiet: true }); // It tells of strangers, who are many.
    let messages = 0;
    let calm: Seat;
    {
      await using stack = new AsyncDisposableStack();
      stack.use(broker);
      this.#announced = await broker.read() as Announced;
      const { http } = this.#announced;
      if (nats !== undefined) {
        const away = stack.use(
          new Child(Deno.execPath(), [
            ...["run", "--no-prompt", "--allow-net=127.0.0.1", join(FOLDER, "../broker.ts")],
            ...["--json", "--broadcast-port", "0", "--receive-port", "0", "--http", "0"],
            ...backbone("away"),
          ], { isQuiet: true }),
        );
        this.#away = await away.read() as Announced;
        for (const { http } of [this.#announced, this.#away]) await untilJoined(http);
      }
      calm = new Seat(this, "calm", false);
      const seats = [calm, ...[1, 2, 3].map((i) => new Seat(this, `wild-${i}`, true))];
      if (nats !== undefined) seats.push(new Seat(this, "away", false));
      const readers = [new PollReader(http), new StreamReader(http)];
      const end = new AbortController();
      const page = stack.use(await openPage(http, this.complain));
      const reading = readers.map((reader) => reader.run(end.signal, this.complain));
      const stop = new AbortController();
      const { signal } = stop;
      setTimeout(() => stop.abort(), 1000 * seconds);
      const work = [
        ...seats.map((seat) => seat.run(signal)),
        this.#post(signal),
        this.#attack(signal),
        this.#watch(broker.pid, signal),
        ...(nats === undefined ? [] : [this.#stop(nats, signal)]),
      ];
      const failed = await Promise.allSettled(work);
      this.#print("house          everyone has stopped sending");
      for (const result of failed) {
        if (result.status === "rejected") this.complain(`failed: ${result.reason}`);
      }
      const latest = await this.#settle(seats, readers);
      messages = latest.seq;
      this.#print("house          everyone is where the broker is, or never will be");
      await page.check();
      end.abort();
      if (!await within(Promise.allSettled(reading), SETTLE_MS)) this.complain("a reader does not end");
      for (const seat of seats) await seat.end();
      this.#checkMemory();
      if (!await broker.end(SETTLE_MS)) this.complain("the broker did not end when it was told to");
    }
    await this.#checkArchive(messages, calm);
    const { kills, stops, posts, attacks, outages } = this.#counts;
    this.#print(
      `house          ${messages} messages under CURVE to 4 applications (${kills} kills, ${stops} stops), 2 readers ` +
        `of the gateway, a page and an archive; ${posts} posts confirmed, ${attacks} strangers; ` +
        (nats === undefined
          ? "no NATS server is installed"
          : `a second site over NATS, away ${outages} times`),
    );
    return { messages, complaints: this.#complaints };
  }

  readonly complain = (what: string): void => {
    if (this.#complaints.length < 20) this.#complaints.push(`house: ${what}`);
  };

  /** What a member of that name is started with. */
  optionsFor(name: string, since: string): MemberOptions {
    const isAway = name === "away";
    const { broadcastAddress, receiveAddress } = isAway ? this.#away! : this.#announced;
    return {
      serverBroadcast: broadcastAddress,
      serverReceive: receiveAddress,
      ...(isAway ? {} : { serverKey: this.#keys.publicKey }),
      name,
      since,
      perSecond: PER_SECOND,
    };
  }

  count(what: "kills" | "stops"): void {
    this.#counts[what]++;
  }

  /** Says things from the web, and looks whether they are where it is told. */
  async #post(signal: AbortSignal): Promise<void> {
    const { http } = this.#announced;
    for (let n = 1; !signal.aborted; n++) {
      const text = JSON.stringify({ type: "soak", sender: "web", number: n });
      const response = await fetch(`${http}/messages?confirm=10`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: text,
      });
      const { cursor } = await response.json();
      if (response.status !== 200) this.complain(`a post was answered ${response.status}`);
      else if (n % 20 === 0) {
        const { epoch, seq } = parsePlace(cursor)!;
        const page = await (await fetch(
          `${http}/messages/history?since=${epoch}.${seq - 1}&limit=1`,
        )).json();
        if (JSON.stringify(page.messages[0]?.message) !== text) {
          this.complain(`post ${n} is not at ${cursor}`);
        }
      }
      this.#counts.posts++;
      await pause(100);
    }
  }

  async #attack(signal: AbortSignal): Promise<void> {
    const { broadcastAddress, receiveAddress } = this.#announced;
    for (let i = 0; !signal.aborted; i++) {
      await attack(ATTACKS[i % ATTACKS.length]!, { broadcastAddress, receiveAddress });
      this.#counts.attacks++;
      await pause(300);
    }
  }

  /** Kills the NATS server now and then, and starts it again: whoever sends waits, and nothing is lost. */
  async #stop(nats: NatsServer, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pauseUnless(signal, 5000 + 60_000 * Math.random());
      if (signal.aborted) return;
      await nats.kill();
      await pause(1500 * Math.random());
      await nats.start();
      this.#counts.outages++;
    }
  }

  async #watch(pid: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#rss.push(memoryBytes(pid).now);
      await pause(1000, undefined, { signal }).catch(() => {});
    }
  }

  /** The last quarter of the time against the second one: by then caches and buffers are where they stay. */
  #checkMemory(): void {
    const quarter = Math.ceil(this.#rss.length / 4);
    const middle = (from: number) =>
      this.#rss.slice(from, from + quarter).sort((a, b) => a - b)[quarter >> 1]!;
    const [early, late] = [middle(quarter), middle(this.#rss.length - quarter)];
    const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
    this.#print(
      `house memory   rss ${mib(early)} MiB in the second quarter, ${mib(late)} MiB in the last one`,
    );
    if (late > early + RSS_SLACK_BYTES) {
      this.complain(`the broker held ${mib(late)} MiB, and ${mib(early)} before`);
    }
  }

  /** Waits until everyone is where the broker is. */
  async #settle(seats: readonly Seat[], readers: readonly Reader[]): Promise<Place> {
    const until = performance.now() + SETTLE_MS;
    const everyone = [...seats, ...readers];
    while (true) {
      const { latest } = await (await fetch(`${this.#announced.http}/messages/history?limit=1`)).json();
      const place = parsePlace(latest)!;
      const isQuiet = seats.every(({ report }) => report?.queued === 0 && !report.isSending);
      const isThere = everyone.every(({ place: { seq } }) => seq === place.seq);
      if ((isQuiet && isThere) || performance.now() > until) {
        for (const one of everyone) {
          this.#expectSame(`the place of ${one.name}`, one.place.seq, place.seq);
          one.check(this.complain);
        }
        // Both sites began with nothing, so the same messages have the same numbers.
        return place;
      }
      await pause(100);
    }
  }

  #expectSame(what: string, is: number, expected: number): void {
    if (is !== expected) this.complain(`${what} is ${is}, not ${expected}`);
  }

  /** The archive has each message once, in order, and none is missing. */
  async #checkArchive(messages: number, calm: Seat): Promise<void> {
    await using archive = await Archive.open(this.#archive, { readOnly: true });
    const { session } = this.#announced;
    const info = await archive.session(session);
    this.#expectSame("the number of messages in the archive", info.messages, messages);
    this.#expectSame("the number of gaps in the archive", info.gaps, 0);
    if (info.clean !== true) this.complain("the session ended without a goodbye");
    const last = new Map<string, number>();
    let ofCalm = 0;
    for (let after: number | null = 0; after !== null;) {
      const page: Awaited<ReturnType<Archive["messages"]>> = await archive.messages(session, {
        after,
        limit: 1000,
      });
      for (const { seq, text } of page.messages) {
        const { sender, number } = JSON.parse(text);
        if (number <= (last.get(sender) ?? 0)) this.complain(`message ${seq} of the archive is out of order`);
        last.set(sender, number);
        if (sender === calm.name) ofCalm++;
      }
      after = page.next;
    }
    this.#expectSame("what the archive has of the calm one", ofCalm, calm.report!.sent);
  }
}

/** Whoever hears everything from a place on. */
interface Reader {
  readonly name: string;
  readonly place: Place;
  check(complain: (what: string) => void): void;
}

/** One application: process after process, each of which goes on where the last one was heard of. */
class Seat implements Reader {
  readonly name: string;
  /** What the present process said last. */
  report: MemberReport | undefined;
  readonly #house: House;
  readonly #isWild: boolean;
  #child: Child | undefined;
  #reading: Promise<void> = Promise.resolve();
  /** Where the present process began. */
  #base: Place | undefined;
  #lives = 0;

  constructor(house: House, name: string, isWild: boolean) {
    this.#house = house;
    this.name = name;
    this.#isWild = isWild;
  }

  get place(): Place {
    return parsePlace(this.report?.place ?? "") ?? { epoch: "", seq: -1 };
  }

  /** Lives until the signal is aborted; then it still listens. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#begin("now");
    while (!signal.aborted) {
      await pauseUnless(signal, 500 + 3000 * Math.random());
      if (!this.#isWild || signal.aborted) continue;
      if (Math.random() < 0.5) {
        this.#house.count("stops");
        this.#child!.kill("SIGSTOP");
        await pauseUnless(signal, 4000 * Math.random());
        this.#child!.kill("SIGCONT");
        continue;
      }
      this.#house.count("kills");
      const { place } = this.report!;
      this.#child!.kill("SIGKILL");
      await this.end();
      await pauseUnless(signal, 2000 * Math.random());
      await this.#begin(this.report?.place ?? place);
    }
    // Any line stops it sending.
    await this.#child!.write({});
  }

  async end(): Promise<void> {
    await this.#child![Symbol.asyncDispose]();
    await this.#reading;
  }

  check(complain: (what: string) => void): void {
    const { heard, missed, unknown, wrong, lost, sent } = this.report!;
    if (heard + missed !== this.place.seq - this.#base!.seq) {
      complain(
        `${this.name} heard ${heard} and was told of ${missed} between ${
          this.#base!.seq
        } and ${this.place.seq}`,
      );
    }
    if (unknown + wrong > 0) complain(`${this.name} has ${unknown} unknown gaps, ${wrong} wrong messages`);
    if (!this.#isWild && lost + missed > 0) {
      complain(`${this.name} lost ${lost} of ${sent}, missed ${missed}`);
    }
  }

  /** Begins a process, and waits until it is there. */
  async #begin(since: string): Promise<void> {
    const name = this.#isWild ? `${this.name}.${++this.#lives}` : this.name;
    const options = this.#house.optionsFor(name, since);
    const child = this.#child = new Child(Deno.execPath(), [
      ...["run", "--no-prompt", "--allow-net=127.0.0.1", join(FOLDER, "soak_member.ts")],
      JSON.stringify(options),
    ]);
    this.report = undefined;
    const first = await child.read() as MemberReport;
    this.#base = since === "now" ? before(first) : parsePlace(since)!;
    this.report = first;
    this.#reading = this.#read(child);
  }

  async #read(child: Child): Promise<void> {
    try {
      while (true) {
        this.report = await child.read() as MemberReport;
        this.check(this.#house.complain);
      }
    } catch {
      // It has ended.
    }
  }
}

/** Where somebody began who says how far it is. */
function before({ place, heard, missed }: MemberReport): Place {
  const { epoch, seq } = parsePlace(place)!;
  return { epoch, seq: seq - heard - missed };
}

/** A reader of the gateway by long-poll, in batches. */
class PollReader implements Reader {
  readonly name: string = "the long-poll";
  place: Place = { epoch: "", seq: -1 };
  readonly #http: string;
  #base = 0;
  #heard = 0;
  #missed = 0;

  constructor(http: string) {
    this.#http = http;
  }

  async run(signal: AbortSignal, complain: (what: string) => void): Promise<void> {
    let since = "now";
    while (!signal.aborted) {
      const url = `${this.#http}/messages/history?since=${since}&limit=1000&timeout=5`;
      const page = await (await fetch(url)).json();
      if (page.missed === null) complain(`${this.name} was told of an unknown gap`);
      const place = parsePlace(page.cursor)!;
      if (since === "now") this.#base = place.seq - page.messages.length;
      this.#heard += page.messages.length;
      this.#missed += page.missed ?? 0;
      this.place = place;
      since = page.cursor;
    }
  }

  check(complain: (what: string) => void): void {
    if (this.#missed > 0 || this.#heard !== this.place.seq - this.#base) {
      complain(
        `${this.name} heard ${this.#heard}, missed ${this.#missed}, from ${this.#base} to ${this.place.seq}`,
      );
    }
  }
}

/** A reader of the event stream, which hangs up now and then and goes on. */
class StreamReader implements Reader {
  readonly name: string = "the stream";
  place: Place = { epoch: "", seq: -1 };
  readonly #http: string;

  constructor(http: string) {
    this.#http = http;
  }

  async run(signal: AbortSignal, complain: (what: string) => void): Promise<void> {
    let id = "";
    while (!signal.aborted) {
      const response = await fetch(`${this.#http}/messages/stream`, {
        headers: id === "" ? {} : { "last-event-id": id },
      });
      // Hung up by hand: after a while Deno 2.9 no longer ends a body when the signal of its fetch() is aborted.
      const reader = response.body!.getReader();
      const hangUp = () => void reader.cancel().catch(() => {});
      const timer = setTimeout(hangUp, 3000 + 10_000 * Math.random());
      signal.addEventListener("abort", hangUp);
      const decoder = new TextDecoder();
      let rest = "";
      for (let read; !(read = await reader.read()).done;) {
        const events = (rest + decoder.decode(read.value, { stream: true })).split("\n\n");
        rest = events.pop()!;
        for (const event of events) id = this.#take(event, complain) ?? id;
      }
      clearTimeout(timer);
      signal.removeEventListener("abort", hangUp);
    }
  }

  #take(event: string, complain: (what: string) => void): string | undefined {
    const id = /^id: (.*)$/m.exec(event)?.[1];
    if (id === undefined) return undefined;
    const place = parsePlace(id)!;
    const kind = /^event: (.*)$/m.exec(event)?.[1];
    if (kind === "gap") complain(`${this.name} was told of a gap: ${event}`);
    if (kind === undefined && place.seq !== this.place.seq + 1) {
      complain(`${this.name} went from ${this.place.seq} to ${place.seq}`);
    }
    if (kind !== "open" || this.place.seq < 0) this.place = place;
    return id;
  }

  check(): void {
    // Each message was looked at when it came.
  }
}

/** The live page in Chromium; without one, nothing. */
async function openPage(
  url: string,
  complain: (what: string) => void,
): Promise<AsyncDisposable & { check(): Promise<void> }> {
  try {
    await Deno.stat(CHROMIUM);
  } catch {
    return { check: () => Promise.resolve(), [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--no-first-run",
      "--disable-background-networking",
    ],
  });
  const page: Page = await browser.newPage();
  page.on("pageerror", (error) => complain(`the page says ${error}`));
  await page.goto(url);
  await page.locator("#link[data-state=good]").waitFor();
  return {
    check: async () => {
      const read = page.evaluate(`({
        state: document.querySelector("#link").dataset.state,
        total: document.querySelector("#total").innerText,
        missed: document.querySelector("#missed").innerText,
      })`) as Promise<Readonly<Record<"state" | "total" | "missed", string>>>;
      read.catch(() => {});
      if (!await within(read, SETTLE_MS)) return complain("the page does not answer");
      const { state, total, missed } = await read;
      if (state !== "good" || Number(total.replaceAll(/\D/g, "")) === 0 || missed !== "0") {
        complain(`the page is ${state}, has ${total} messages, and misses ${missed}`);
      }
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

async function untilJoined(http: string): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const { backbone } = await (await fetch(`${http}/broker`)).json();
    if (backbone.state === "joined") return;
    await pause(50);
  }
  throw new Error("a site did not join the others");
}

async function pauseUnless(signal: AbortSignal, ms: number): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => {});
}
