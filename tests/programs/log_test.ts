/** The one place through which every line of every program goes. */
import assert from "node:assert/strict";
import { LineWriter } from "../../programs/log.ts";
import { soon } from "../support/deadline.ts";

/** A pipe that takes nothing before it is told to. */
class SlowSink {
  text = "";
  readonly #isOpen = Promise.withResolvers<void>();

  open(): void {
    this.#isOpen.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    await this.#isOpen.promise;
    this.text += new TextDecoder().decode(bytes);
    return bytes.length;
  }
}

Deno.test({
  name: "LineWriter tells how many lines were lost though its queue is full again",
  permissions: "none",
}, async () => {
  const sink = new SlowSink();
  const writer = new LineWriter(sink, { maxQueued: 10 });
  writer.line("a");
  await Promise.resolve(); // Its write is under way.
  for (const text of ["1234", "6789", "lost", "lost too"]) writer.line(text);

  sink.open();

  assert.equal(await soon(writer.flush(new AbortController().signal)), true);
  assert.equal(sink.text, "a\n1234\n6789\n2 lines were not written\n");
});
