/** Brokers with backbones for the tests: what each has heard, and when it fares how. */
import assert from "node:assert/strict";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import { NatsBackbone, type NatsBackboneOptions } from "../../backbone/mod.ts";
import { soon, until } from "./deadline.ts";

/** One broker, its backbone, and all that it has broadcast. */
export class TestSite implements AsyncDisposable {
  readonly backbone: NatsBackbone;
  readonly server: MessageServer;
  /** The texts in the order of its feed. */
  readonly heard: string[] = [];
  readonly problems: string[] = [];
  readonly changes: string[] = [];
  #position: number;
  #sent = 0;
  readonly #name: string;

  constructor(options: NatsBackboneOptions, server: MessageServerOptions = {}) {
    this.backbone = new NatsBackbone({ bus: "lab", ...options });
    this.#name = options.site ?? "";
    this.backbone.addEventListener("problem", ({ problem }) => void this.problems.push(problem.code));
    for (const type of ["joined", "away", "island"] as const) {
      this.backbone.addEventListener(type, () => void this.changes.push(type));
    }
    this.server = new MessageServer({
      history: { messages: 1_000_000, bytes: 256 << 20 },
      ...server,
      backbone: this.backbone,
    });
    this.#position = this.server.feed.position;
    this.server.feed.listen(() => this.#read());
  }

  /** Joined sites, each with its name. */
  static async joined(
    names: readonly string[],
    options: NatsBackboneOptions,
    server: MessageServerOptions = {},
  ): Promise<TestSite[]> {
    const sites = names.map((site) => new TestSite({ ...options, site }, server));
    await Promise.all(
      sites.map((site) =>
        soon(site.backbone.ready, "joining", 120_000).catch((cause) => {
          throw new Error(`never joined: ${JSON.stringify(site.backbone.status())}`, { cause });
        })
      ),
    );
    return sites;
  }

  #read(): void {
    const { feed } = this.server;
    while (this.#position < feed.position) {
      const { entries, position } = feed.after(this.#position);
      this.#position = position;
      for (const { text } of entries) this.heard.push(text);
    }
  }

  get counts(): Readonly<Record<string, number>> {
    return this.backbone.status().counts;
  }

  /** Says something that no other message says. */
  say(type = "test"): string {
    const text = JSON.stringify({ type, site: this.#name, n: ++this.#sent });
    this.server.sendJsonMessage(text);
    return text;
  }

  /** What of another site it has heard. */
  of(name: string): string[] {
    return this.heard.filter((text) => text.includes(`"site":"${name}"`));
  }

  async untilHeard(count: number, ms = 60_000): Promise<void> {
    await until(() => this.heard.length >= count, `${count} messages`, ms).catch((error) => {
      throw new Error(`heard ${this.heard.length} of ${count}: ${JSON.stringify(this.backbone.status())}`, {
        cause: error,
      });
    });
  }

  async untilState(state: string, ms = 60_000): Promise<void> {
    await until(() => this.backbone.status().state === state, `the state ${state}`, ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

/** All of them, closed at the same time. */
export async function closeAll(sites: readonly TestSite[]): Promise<void> {
  await Promise.all(sites.map((site) => site.server.close()));
}

/** Nothing missing, nothing twice, each sender's messages in their order. */
export function assertWhole(site: TestSite, from: string, count: number): void {
  const numbers = site.of(from).map((text) => JSON.parse(text).n);
  assert.deepEqual(numbers, Array.from({ length: count }, (_, i) => i + 1), `what was heard of ${from}`);
}

/** The counters add up: at each site, and from each to each. */
export function assertCounts(sites: readonly TestSite[]): void {
  for (const site of sites) {
    const { sent, confirmed, queued, dropped, tooLarge, forbidden } = site.counts as Record<string, number>;
    assert.equal(sent, confirmed! + queued! + dropped! + tooLarge! + forbidden!, JSON.stringify(site.counts));
    const others = sites.filter((other) => other !== site);
    const confirmedThere = others.reduce((sum, { counts }) => sum + counts.confirmed!, 0);
    const { received, missed, skippedOld } = site.counts as Record<string, number>;
    assert.equal(
      confirmedThere,
      received! + skippedOld! +
        (missed! - others.reduce((sum, { counts }) => sum + counts.dropped! + counts.forbidden!, 0)),
      JSON.stringify(site.counts),
    );
    assertStream(site, sites);
  }
}

/** What a site has read of the stream is all that is in it, and what is in it more than once was sent more than once. */
function assertStream(site: TestSite, sites: readonly TestSite[]): void {
  if (site.backbone.status().order !== "stream") return;
  const { received, ownBack, repeats, outOfTurn, foreign, skippedOld, cut, lastSeq } = site
    .counts as Record<string, number>;
  const text = JSON.stringify(site.counts);
  const read = received! + ownBack! + repeats! + outOfTurn! + foreign! + skippedOld!;
  assert.ok(read + cut! >= lastSeq!, `not all was counted: ${text}`);
  const sum = (name: string) => sites.reduce((sum, { counts }) => sum + counts[name]!, 0);
  // A consumer that is made anew may read some of it again.
  const readAgain = read + cut! - lastSeq!;
  assert.ok(repeats! + outOfTurn! <= sum("resent") + readAgain, `more repeats than were sent: ${text}`);
}

/** Both talk all the while something happens; then everything must have arrived. */
export async function talkDuring(sites: readonly TestSite[], what: () => Promise<void>): Promise<number> {
  let said = 0;
  const timer = setInterval(() => {
    for (const site of sites) site.say();
    said++;
  }, 3);
  try {
    await until(() => said > 20);
    await what();
    const before = said;
    await until(() => said > before + 20);
  } finally {
    clearInterval(timer);
  }
  for (const site of sites) await site.untilHeard(said * sites.length, 120_000);
  await until(() => sites.every(({ counts }) => counts.queued === 0), "all to be confirmed", 60_000);
  return said;
}
