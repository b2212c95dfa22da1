/** Archives for tests, in files that are gone afterwards. */
import { Archive, type ArchiveOptions, type Recorder, type RecordOptions } from "../../../archive/mod.ts";
import { Feed } from "../../../bus/feed.ts";
import { makeEpoch } from "../../../bus/place.ts";

const encoder = new TextEncoder();

/** A path in a folder of its own. */
export class TempFile implements AsyncDisposable {
  readonly folder: string = Deno.makeTempDirSync({ prefix: "archive" });
  readonly path: string = `${this.folder}/x.db`;

  open(options?: ArchiveOptions): Promise<Archive> {
    return Archive.open(this.path, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Texts as frames that lie together. */
export function frames(...texts: readonly string[]): Uint8Array {
  const parts = texts.map((text) => encoder.encode(text));
  const whole = new Uint8Array(parts.reduce((size, { length }) => size + length + 9, 0));
  let at = 0;
  for (const body of parts) {
    if (body.length < 256) whole.set([0, body.length], at);
    else {
      whole[at] = 2;
      new DataView(whole.buffer).setBigUint64(at + 1, BigInt(body.length));
    }
    at += body.length < 256 ? 2 : 9;
    whole.set(body, at);
    at += body.length;
  }
  return whole.subarray(0, at);
}

/** A feed that a recorder listens to. */
export function feedOf(recorder: Recorder | undefined): Feed {
  const past = recorder?.past;
  const start = past?.isExact === true ? { epoch: past.epoch, seq: past.seq } : { epoch: makeEpoch() };
  return new Feed({ limit: { messages: 1000, bytes: 1_000_000 }, ...start, recorder });
}

/** Adds texts as one read would. */
export function add(feed: Feed, ...texts: readonly string[]): void {
  const bytes = frames(...texts);
  feed.append(bytes, 0, bytes.length, texts.length, Date.now(), performance.now());
}

/** Records texts in a session of their own, each as a read; resolves with its number when they are on disk. */
export async function recordTexts(
  archive: Archive,
  texts: readonly string[],
  options: RecordOptions = {},
): Promise<number> {
  await using recorder = await archive.record(options);
  const feed = feedOf(recorder);
  for (const text of texts) add(feed, text);
  await recorder.flushed();
  return recorder.session;
}

/** All messages of a session, page by page. */
export async function allTexts(archive: Archive, session: number): Promise<string[]> {
  const texts: string[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page = await archive.messages(session, { after, limit: 1000 });
    texts.push(...page.messages.map(({ text }) => text));
    after = page.next;
  }
  return texts;
}

/** A log message. */
export function log(action: string, more: object = {}): string {
  return JSON.stringify({
    type: "log",
    action,
    state: { step: action },
    pid: "a-1",
    application: "anova",
    time: 1_700_000_000,
    ...more,
  });
}
