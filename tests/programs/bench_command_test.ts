/** client.ts bench: figures of a running broker. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { run } from "../support/program.ts";

function addresses({ broadcastAddress, receiveAddress }: MessageServer): string[] {
  return ["--broadcast", broadcastAddress, "--receive", receiveAddress];
}

Deno.test("client.ts bench tells round trips and messages a second, and sends what it says", async () => {
  await using server = new MessageServer();
  const few = ["--rounds", "20", "--count", "300", "--size", "200"];

  const { code, stdout, stderr } = await run(["client.ts", "bench", ...addresses(server), ...few]);

  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(
    stdout,
    /^20 messages of 200 bytes, there and back one by one: half of them within [\d.]+ ms, /,
  );
  assert.match(
    stdout,
    /\n300 messages of 200 bytes at full speed: [\d,]+ messages\/s, [\d.e+]+ MB\/s, 0 lost\n$/,
  );
  const { entries } = server.feed.after(0);
  assert.equal(entries.length, 320);
  assert.ok(entries.every(({ type, text }) => type === "bench" && text.length === 200));
});

Deno.test("client.ts bench --json prints one line, and --count may be more than its queue holds", async () => {
  await using server = new MessageServer();
  const many = ["--rounds", "1", "--count", "30000", "--json"];
  const { code, stdout } = await run(["client.ts", "bench", ...addresses(server), ...many]);
  const { perSecond, lost, medianMs } = JSON.parse(stdout);
  assert.deepEqual([code, lost], [0, 0]);
  assert.ok(perSecond > 0 && medianMs > 0);
});

Deno.test("client.ts bench asks whether both addresses are of the same broker when nothing comes back", async () => {
  await using server = new MessageServer();
  await using other = new MessageServer();
  const args = ["--broadcast", server.broadcastAddress, "--receive", other.receiveAddress, "--wait", "2"];
  const { code, stderr } = await run(["client.ts", "bench", ...args]);
  assert.equal(code, 1);
  assert.match(stderr, /^client\.ts: Cannot measure: .* are both addresses of the same broker\?\n$/);
});
