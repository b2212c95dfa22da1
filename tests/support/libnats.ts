/** Debian's C library for NATS at the other end, in a process of its own. Where it or Python is missing its tests are left out. */
import assert from "node:assert/strict";
import { LineChild } from "./python.ts";

const PYTHON = "/usr/bin/python3";

/** Is it there? */
export const hasLibnats: boolean = (() => {
  try {
    const args = ["-c", 'import ctypes; ctypes.CDLL("libnats.so.3.4")'];
    return new Deno.Command(PYTHON, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
})();

/** A message that it heard. */
export interface HeardByC {
  readonly subject: string;
  readonly text: string;
  /** The value of `Bus-From`; null when there is none. */
  readonly from: string | null;
}

/** A connection of the C library. */
export class CNats implements AsyncDisposable {
  readonly #child: LineChild;

  private constructor(child: LineChild) {
    this.#child = child;
  }

  static async connect(url: string): Promise<CNats> {
    const script = new URL("libnats_peer.py", import.meta.url).pathname;
    const peer = new CNats(new LineChild(PYTHON, [script, url]));
    assert.equal(await peer.#child.line(), "ok");
    return peer;
  }

  /** To whoever listens. */
  publish(subject: string, text: string): Promise<void> {
    return this.#tell(`publish ${subject} ${text}`);
  }

  /** Into a stream, which confirms it. */
  store(subject: string, text: string): Promise<void> {
    return this.#tell(`store ${subject} ${text}`);
  }

  /** From now on {@linkcode CNats.next} gives what is said on that subject. */
  listen(subject: string): Promise<void> {
    return this.#tell(`listen ${subject}`);
  }

  /** From now on {@linkcode CNats.next} gives what a stream has of that subject, from its first message on. */
  read(subject: string): Promise<void> {
    return this.#tell(`read ${subject}`);
  }

  async next(): Promise<HeardByC> {
    await this.#child.say("next");
    const [subject, text, from] = JSON.parse((await this.#child.line())!);
    return { subject, text, from };
  }

  async #tell(line: string): Promise<void> {
    await this.#child.say(line);
    assert.equal(await this.#child.line(), "ok");
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#child[Symbol.asyncDispose]();
  }
}
