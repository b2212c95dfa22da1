/** The command of docs/sessions.md as it stands, with exactly its permissions. */
import assert from "node:assert/strict";
import { Program, ROOT } from "../../support/program.ts";

const PAGE = Deno.readTextFileSync(new URL("../../../docs/sessions.md", import.meta.url));

Deno.test("The broker of docs/sessions.md records, says where its page is, and knows what was recorded before, by one that was killed as well", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const command = /deno run (--allow-net.*) broker\.ts (.*)/.exec(PAGE);
    assert.ok(command);
    const [, permissions, flags] = command;
    const start = () =>
      new Program(
        [
          ...permissions!.split(" "),
          `${ROOT}broker.ts`,
          ...flags!.replace("8000", "0").split(" "),
          ...["--broadcast-port", "0", "--receive-port", "0"],
        ],
        { permission: "", cwd: folder },
      );
    for (const run of [1, 2]) {
      await using broker = start();
      let page: string | undefined;
      for (let line; page === undefined && (line = await broker.line()) !== undefined;) {
        page = /recorded sessions +(http\S+)/.exec(line)?.[1];
      }
      assert.match(page!, /\/monitor\/sessions$/);
      assert.match(await (await fetch(page!)).text(), /<title>Sessions/);
      const { origin } = new URL(page!);
      const sent = await fetch(`${origin}/messages?confirm=5`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          type: "log",
          action: `run ${run}`,
          state: {},
          pid: 1,
          application: "a",
          time: 0,
        }),
      });
      assert.equal((await sent.json()).count > 0, true);
      if (run === 1) {
        broker.kill("SIGTERM");
        assert.equal((await broker.ended()).code, 0);
      } else {
        for (let onDisk = 0; onDisk === 0;) {
          ({ onDisk } = (await (await fetch(`${origin}/recording`)).json()).recorder);
        }
        broker.kill("SIGKILL");
        await broker.ended();
      }
    }
    await using broker = start();
    let line;
    while ((line = await broker.line()) !== undefined && !line.includes("recorded sessions"));
    const { origin } = new URL(line!.trim().split(/ +/).at(-1)!);
    const { sessions } = await (await fetch(`${origin}/sessions`)).json();
    assert.deepEqual(
      sessions.map(({ messages, clean }: { messages: number; clean: boolean }) => [messages, clean]),
      [[0, null], [1, false], [1, true]],
    );
    const { events } = await (await fetch(`${origin}/sessions/2/events`)).json();
    assert.equal(events[0].action, "run 2");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("docs/sessions.md: its pictures and links lead somewhere, and the pages and paths it names are there", async () => {
  const docs = new URL("../../../docs/", import.meta.url);
  for (const [, target] of PAGE.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
    assert.ok((await Deno.stat(new URL(target!, docs))).isFile, target);
  }
});
