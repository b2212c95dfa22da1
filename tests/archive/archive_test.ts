/** The archive's file: what is in it, who may open it, and what is no archive. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Archive, ArchiveError, importSession } from "../../archive/mod.ts";
import { add, allTexts, feedOf, log, recordTexts, TempFile } from "./support/files.ts";

function code(code: ArchiveError["code"]): (error: unknown) => true {
  return (error) => {
    assert(error instanceof ArchiveError, String(error));
    assert.equal(error.code, code, error.message);
    assert(!error.message.includes("\n"));
    return true;
  };
}

Deno.test("What was recorded is read again, text by text, as it came", async () => {
  await using file = new TempFile();
  const texts = [
    '{"type":"subject","subject":119}',
    '{ "type" :\n"x", "n":12345678901234567890 }',
    '{"ü":"\ud83d\ude00"}',
    "{}",
  ];
  {
    await using archive = await file.open();
    assert.equal(await recordTexts(archive, texts, { name: "Tuesday", broker: "tcp://127.0.0.1:1" }), 1);
  }
  await using archive = await file.open({ readOnly: true });
  const { messages, gaps, next } = await archive.messages(1);
  assert.deepEqual(messages.map(({ seq, text }) => [seq, text]), texts.map((text, i) => [i + 1, text]));
  assert.deepEqual(messages.map(({ type }) => type), ["subject", "x", undefined, undefined]);
  assert.deepEqual([gaps, next], [[], null]);
  const session = await archive.session(1);
  assert.deepEqual([session.name, session.messages, session.lost, session.clean], ["Tuesday", 4, 0, true]);
  assert.equal(await archive.messageText(1, 2), texts[1]);
});

Deno.test("An archive that was closed leaves one file, which is found again", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    await recordTexts(archive, ["{}"]);
  }
  assert.deepEqual([...Deno.readDirSync(file.folder)].map(({ name }) => name), ["x.db"]);
});

Deno.test("Pages of messages follow each other without a hole, whatever their size and filter", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const texts = Array.from({ length: 500 }, (_, i) => `{"type":"${i % 3 === 0 ? "a" : "b.c"}","i":${i}}`);
  const session = await recordTexts(archive, texts);
  for (const [limit, types] of [[1, ["a"]], [7, ["b*"]], [499, undefined], [1000, ["a", "b.c"]]] as const) {
    const found: string[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page = await archive.messages(session, { after, limit, types });
      assert(page.messages.length <= limit);
      found.push(...page.messages.map(({ text }) => text));
      after = page.next;
    }
    const wanted = texts.filter((text) =>
      types === undefined || types.some((type) => text.includes(`"${type.replace("*", "")}`))
    );
    assert.deepEqual(found, wanted);
  }
  const { messages } = await archive.messages(session, { text: '"i":77}' });
  assert.deepEqual(messages.map(({ seq }) => seq), [78]);
});

Deno.test("Messages are found by time, and an end before the beginning is refused", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, ["{}", "{}", "{}"]);
  const { messages } = await archive.messages(session);
  const [, second, third] = messages.map(({ time }) => time);
  const between = await archive.messages(session, { from: second!, to: third! });
  assert.deepEqual(
    between.messages.map(({ seq }) => seq),
    [2, 3].filter((seq) => seq === 2 || third! > second!),
  );
  await assert.rejects(archive.messages(session, { from: 2, to: 1 }), RangeError);
});

Deno.test("Events are searched by words of action and application, and no word acts on the search", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, [
    log("opened the sample"),
    log('closed "everything"', { pid: 7, application: "overview" }),
    log("opened more", { pid: "7" }),
    '{"type":"subject","subject":1}',
  ]);
  const find = async (filter: object) => (await archive.events(session, filter)).events.map(({ seq }) => seq);
  assert.deepEqual(await find({}), [1, 2, 3]);
  assert.deepEqual(await find({ text: "opened" }), [1, 3]);
  assert.deepEqual(await find({ text: "sample open" }), [1]); // The last word may be a beginning.
  assert.deepEqual(await find({ text: "OVERVIEW" }), [2]);
  assert.deepEqual(await find({ instance: "7" }), [2]);
  assert.deepEqual(await find({ instance: '"7"' }), [3]);
  for (
    const text of [
      '"',
      '"opened',
      "NOT opened",
      "opened OR closed",
      "*",
      "a:b",
      "(",
      "^x",
      "-",
      "col : x",
      "\0",
      "\ud800",
    ]
  ) {
    await find({ text });
  }
  assert.deepEqual(await find({ text: '"everything"' }), [2]);
});

Deno.test("Sessions are found by words of their name, their events and their notes; the newest comes first", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  for (
    const [name, action] of [["Monday", "looked"], ["Tuesday", "searched"], ["Wednesday", "slept"]] as const
  ) {
    await recordTexts(archive, [log(action)], { name });
  }
  await archive.addNote(3, { seq: 1 }, "a surprise");
  const find = async (filter: object) => (await archive.sessions(filter)).sessions.map(({ id }) => id);
  assert.deepEqual(await find({}), [3, 2, 1]);
  assert.deepEqual(await find({ text: "day" }), [3, 2, 1]);
  assert.deepEqual(await find({ text: "tues" }), [2]);
  assert.deepEqual(await find({ text: "searched" }), [2]);
  assert.deepEqual(await find({ text: "surprise" }), [3]);
  await archive.changeSession(1, { star: true, description: "50 % & more" });
  assert.deepEqual(await find({ starred: true }), [1]);
  assert.deepEqual(await find({ text: "% &" }), [1]);
  const page = await archive.sessions({ limit: 2 });
  assert.deepEqual([page.sessions.length, page.next], [2, 2]);
  assert.deepEqual(await find({ before: page.next! }), [1]);
});

Deno.test("Names, stars and notes are changed in place, and keep every character", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, [log("a"), "{}"]);
  const odd = "a+b & 50 % <script> ü \ud83d\ude00 'quoted'";
  assert.equal((await archive.changeSession(session, { name: odd })).name, odd);
  assert.equal((await archive.starEvent(session, 1, true)).star, true);
  assert.deepEqual((await archive.events(session, { starred: true })).events.map(({ seq }) => seq), [1]);
  const note = await archive.addNote(session, { seq: 2 }, odd);
  assert.deepEqual([note.text, note.seq, note.edited], [odd, 2, null]);
  const changed = await archive.changeNote(session, note.id, "new");
  assert.equal(changed.text, "new");
  assert(changed.edited !== null);
  assert.deepEqual(await archive.notes(session), [changed]);
  await archive.deleteNote(session, note.id);
  assert.deepEqual(await archive.notes(session), []);
});

Deno.test("What is not there is told by its code", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const session = await recordTexts(archive, [log("a", { screenshot: btoa("no picture") })]);
  await assert.rejects(archive.session(99), code("no-session"));
  await assert.rejects(archive.messages(99), code("no-session"));
  await assert.rejects(archive.changeSession(99, { name: "x" }), code("no-session"));
  await assert.rejects(archive.deleteSession(99), code("no-session"));
  await assert.rejects(archive.messageText(session, 2), code("no-entry"));
  await assert.rejects(archive.messageText(session, 0), code("no-entry"));
  await assert.rejects(archive.starEvent(session, 2, true), code("no-entry"));
  await assert.rejects(archive.changeNote(session, 1, "x"), code("no-entry"));
  await assert.rejects(archive.picture(session, 1), code("no-entry"));
  await assert.rejects(archive.stateAt(session, { seq: 99 }), code("no-entry"));
});

Deno.test("The picture of an event is its PNG", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const png = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]);
  const session = await recordTexts(archive, [
    log("a", { screenshot: png.toBase64() }),
    log("b", { screenshot: "§" }),
  ]);
  assert.deepEqual(await archive.picture(session, 1), png);
  await assert.rejects(archive.picture(session, 2), code("no-entry"));
});

Deno.test("A deleted session leaves none of its texts in the file", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    const secret = Array.from({ length: 300 }, (_, i) => log(`secretword${i}`, { x: `hidden${i}` }));
    const session = await recordTexts(archive, secret);
    await archive.addNote(session, { seq: 1 }, "privatenote");
    await recordTexts(archive, [log("kept")]);
    await archive.deleteSession(session);
    await assert.rejects(archive.session(session), code("no-session"));
    assert.deepEqual((await archive.sessions({ text: "secretword7" })).sessions, []);
  }
  const left = new TextDecoder("latin1").decode(await Deno.readFile(file.path));
  for (const text of ["secretword", "hidden", "privatenote"]) assert(!left.includes(text), text);
  assert(left.includes("kept"));
});

Deno.test("The session that is being recorded cannot be deleted", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record();
  await assert.rejects(archive.deleteSession(recorder.session), code("running"));
  assert.equal((await archive.session(recorder.session)).ended, null);
});

for (
  const [what, bytes, expected] of [
    ["a text", new TextEncoder().encode("this is no archive\n".repeat(100)), "not-an-archive"],
    ["a short text", new TextEncoder().encode("hello"), "not-an-archive"],
    ["noise", crypto.getRandomValues(new Uint8Array(10_000)), "not-an-archive"],
  ] as const
) {
  Deno.test(`A file that holds ${what} is no archive, and stays as it is`, async () => {
    await using file = new TempFile();
    await Deno.writeFile(file.path, bytes);
    await assert.rejects(file.open(), code(expected));
    await assert.rejects(file.open({ readOnly: true }), code(expected));
    assert.deepEqual(await Deno.readFile(file.path), bytes);
    assert.deepEqual([...Deno.readDirSync(file.folder)].length, 1);
  });
}

for (
  const [what, sql, expected] of [
    ["another program's", "create table person(name); pragma application_id = 7", "not-an-archive"],
    ["another program's without an id", "create table person(name)", "not-an-archive"],
    [
      "a newer version's",
      "create table session(id); pragma application_id = 1112888115; pragma user_version = 99",
      "newer-version",
    ],
  ] as const
) {
  Deno.test(`A database of SQLite that is ${what} is refused, and stays as it is`, async () => {
    await using file = new TempFile();
    const db = new DatabaseSync(file.path);
    db.exec(sql);
    db.close();
    const before = await Deno.readFile(file.path);
    await assert.rejects(file.open(), code(expected));
    await assert.rejects(file.open({ readOnly: true }), code(expected));
    assert.deepEqual(await Deno.readFile(file.path), before);
  });
}

Deno.test("A file that is missing, or is a folder, is told", async () => {
  await using file = new TempFile();
  await assert.rejects(file.open({ readOnly: true }), code("not-found"));
  await assert.rejects(file.open({ create: false }), code("not-found"));
  await assert.rejects(Archive.open(file.folder), ArchiveError);
  await assert.rejects(Archive.open(`${file.folder}/no/such.db`), ArchiveError);
  for (const path of ["", "a\0b", "file:x", ":memory:"]) {
    await assert.rejects(Archive.open(path), { code: "bad-option" });
  }
});

Deno.test("A file that is only read is not changed", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    await recordTexts(archive, [log("a")]);
  }
  const before = await Deno.readFile(file.path);
  {
    await using archive = await file.open({ readOnly: true });
    await assert.rejects(archive.record(), code("read-only"));
    await assert.rejects(archive.changeSession(1, { name: "x" }), code("read-only"));
    await assert.rejects(archive.addNote(1, { seq: 1 }, "x"), code("read-only"));
    assert.equal((await archive.session(1)).messages, 1);
  }
  assert.deepEqual(await Deno.readFile(file.path), before);
});

Deno.test("One file has one recorder; notes can be added beside it", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record();
  const feed = feedOf(recorder);
  await assert.rejects(archive.record(), code("in-use"));
  await using second = await file.open();
  await assert.rejects(second.record(), code("in-use"));
  add(feed, '{"n":1}');
  await recorder.flushed();
  await second.addNote(recorder.session, { seq: 1 }, "from beside");
  add(feed, '{"n":2}');
  await recorder.flushed();
  assert.deepEqual(await allTexts(second, recorder.session), ['{"n":1}', '{"n":2}']);
  assert.equal((await archive.notes(recorder.session))[0]!.text, "from beside");
  await recorder.end();
  await using next = await second.record();
  assert.equal(next.session, recorder.session + 1);
});

Deno.test("A closed archive says so", async () => {
  await using file = new TempFile();
  const archive = await file.open();
  await archive.close();
  await archive.close();
  await assert.rejects(archive.sessions(), code("closed"));
  await assert.rejects(archive.record(), code("closed"));
});

Deno.test("A damaged block is a gap, and everything around it is still read", async () => {
  await using file = new TempFile();
  const texts = Array.from({ length: 30 }, (_, i) => `{"type":"a","i":${i}}`);
  {
    await using archive = await file.open();
    await using recorder = await archive.record();
    const feed = feedOf(recorder);
    for (let i = 0; i < 30; i += 10) {
      for (const text of texts.slice(i, i + 10)) add(feed, text);
      // A hole in the numbers begins a block of its own, and blocks with one between them are not joined.
      if (i < 20) feed.skip(1, "expired");
    }
  }
  const db = new DatabaseSync(file.path);
  db.exec("update block set data = zeroblob(length(data)) where first = 11");
  db.close();
  await using archive = await file.open({ readOnly: true });
  const { messages, gaps, next } = await archive.messages(1);
  assert.deepEqual(messages.map(({ text }) => text), [...texts.slice(0, 10), ...texts.slice(20)]);
  const damaged = gaps.filter(({ reason }) => reason === "damaged");
  assert.deepEqual(damaged.map(({ after, missed }) => [after, missed]), [[10, 10]]);
  assert.equal(next, null);
  await assert.rejects(archive.messageText(1, 15), code("damaged"));
});

Deno.test("One flipped bit is noticed, also where nothing was compressed", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    await recordTexts(archive, ['{"n":1}']);
  }
  const db = new DatabaseSync(file.path);
  const { data, codec } = db.prepare("select data, codec from block").get() as {
    data: Uint8Array;
    codec: number;
  };
  assert.equal(codec, 0);
  data[data.length - 2]! ^= 1;
  db.prepare("update block set data = ?").run(data);
  assert.equal(
    Object.values(db.prepare("pragma quick_check").get()!)[0],
    "ok",
    "SQLite itself does not notice",
  );
  db.close();
  await using archive = await file.open({ readOnly: true });
  const { messages, gaps } = await archive.messages(1);
  assert.deepEqual([messages, gaps.map(({ reason }) => reason)], [[], ["damaged"]]);
});

Deno.test("A file whose end or middle is missing opens with a clear word or is read as far as it goes", async () => {
  await using file = new TempFile();
  {
    await using archive = await file.open();
    await recordTexts(
      archive,
      Array.from({ length: 2000 }, (_, i) => log(`action ${i} ${crypto.randomUUID()}`)),
    );
  }
  const whole = await Deno.readFile(file.path);
  for (const change of ["cut", "zeroed", "header"]) {
    const bytes = whole.slice(0, change === "cut" ? Math.floor(whole.length / 2) : whole.length);
    if (change === "zeroed") bytes.fill(0, 8192, 20_480);
    if (change === "header") bytes.fill(0, 0, 100);
    await Deno.writeFile(file.path, bytes);
    try {
      await using archive = await file.open({ readOnly: true });
      await archive.sessions();
      await archive.messages(1);
    } catch (error) {
      assert(error instanceof ArchiveError, String(error));
      assert(["damaged", "not-an-archive", "no-session"].includes(error.code), `${change}: ${error.message}`);
    }
    assert.deepEqual(await Deno.readFile(file.path), bytes, change);
  }
});

Deno.test("The timeline counts each message and event once", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const texts = Array.from({ length: 100 }, (_, i) => i % 4 === 0 ? log(`a${i}`) : '{"type":"cursor"}');
  const session = await recordTexts(archive, texts);
  const sum = (counts: readonly number[]) => counts.reduce((all, count) => all + count, 0);
  for (const buckets of [1, 7, 200]) {
    const { types, events } = await archive.timeline(session, buckets);
    assert.deepEqual(types.map(({ type, counts }) => [type, sum(counts), counts.length]), [
      ["cursor", 75, buckets],
      ["log", 25, buckets],
    ]);
    assert.equal(sum(events), 25);
  }
});

Deno.test("More types than can be told apart are counted together, and still found", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const texts = Array.from({ length: 1200 }, (_, i) => `{"type":"t${i}"}`);
  const session = await recordTexts(archive, texts);
  const { messages } = await archive.messages(session, { types: ["t1199"] });
  assert.deepEqual(messages.map(({ seq }) => seq), [1200]);
});

Deno.test("export() gives a line for each message, its text as it came, or with number, time and gaps", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record();
  const feed = feedOf(recorder);
  add(feed, '{"a": 1}', '{\n"b":12345678901234567890}');
  feed.skip(3, "slow");
  add(feed, '{"c":1}');
  await recorder.flushed();
  const lines = async (asJson: boolean) => {
    let text = "";
    for await (const bytes of archive.export(recorder.session, { asJson })) {
      text += new TextDecoder().decode(bytes);
    }
    return text.split("\n");
  };
  assert.deepEqual(await lines(false), ['{"a": 1}', '{ "b":12345678901234567890}', '{"c":1}', ""]);
  const json = await lines(true);
  assert.match(json[0]!, /^\{"seq":1,"time":\d+(\.\d+)?,"message":\{"a": 1\}\}$/);
  assert.match(json[1]!, /"message":\{ "b":12345678901234567890\}\}$/);
  const { gap } = JSON.parse(json[2]!);
  assert.deepEqual([gap.after, gap.missed, gap.reason], [2, 3, "slow"]);
  assert.equal(JSON.parse(json[3]!).seq, 3);
});

Deno.test("A session can be ended while it is recorded: the next one begins with the next message", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await using recorder = await archive.record({ name: "first" });
  const feed = feedOf(recorder);
  add(feed, '{"n":1}', '{"n":2}');
  const next = await recorder.split({ name: "second" });
  add(feed, '{"n":3}');
  await recorder.flushed();
  assert.deepEqual([next.id, next.name, next.ended], [2, "second", null]);
  assert.deepEqual(await allTexts(archive, 1), ['{"n":1}', '{"n":2}']);
  assert.deepEqual(await allTexts(archive, 2), ['{"n":3}']);
  await recorder.end();
  const { sessions } = await archive.sessions();
  assert.deepEqual(sessions.map(({ clean, messages }) => [clean, messages]), [[true, 1], [true, 2]]);
  await assert.rejects(recorder.split(), { code: "closed" });
});

Deno.test("Numbers go on behind sessions without a message, and behind imported ones", async () => {
  await using file = new TempFile();
  const lives: (string | undefined)[] = [];
  {
    await using archive = await file.open();
    await recordTexts(archive, ["{}", "{}"]);
  }
  async function* imported() {
    yield { text: "{}", time: 1 };
  }
  for (let i = 0; i < 2; i++) {
    await using archive = await file.open();
    await using recorder = await archive.record();
    lives.push(recorder.place);
    assert.equal(recorder.past?.isExact, true);
    if (i === 0) await importSession(file.path, imported());
  }
  assert.equal(lives[0], lives[1]);
  assert.match(lives[0]!, /\.2$/);
});

Deno.test("When the last session was deleted, its numbers are not used again", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  await recordTexts(archive, ["{}", "{}"]);
  await recordTexts(archive, ["{}", "{}"]);
  await archive.deleteSession(2);
  await using recorder = await archive.record();
  assert.equal(recorder.past?.isExact, false);
});

Deno.test("Messages of every odd kind are kept as they are, and found", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const long = "word ".repeat(200_000);
  const texts = [
    "{}",
    '{"type":null}',
    '{"type":7}',
    '{"type":""}',
    '{"type":"a","type":"b"}',
    '{"\\u0074ype":"escaped"}',
    '{"type":"\\ud800"}',
    `{"type":"big","x":"${"x".repeat(16 * 1024 * 1024 - 100)}"}`,
    '{"type":"log"}',
    '{"type":"log","action":null,"application":{"a":1},"pid":1.0,"time":-1e300,"state":[],"screenshot":""}',
    log("at the beginning", { time: 0 }),
    log("far away", { time: 253_402_300_799_999 }),
    log(long, { pid: 1 }),
    log("text", { pid: "1" }),
    log("no picture", { screenshot: "!!!" }),
    `{"type":"log","action":"\\ud800 half","state":{"a":"\\udfff"},"pid":{"a":[1]},"application":"\\u0000"}`,
  ];
  const session = await recordTexts(archive, texts);
  assert.deepEqual(await allTexts(archive, session), texts);
  const { messages } = await archive.messages(session, { limit: 7 });
  assert.deepEqual(messages.map(({ type }) => type), [
    undefined,
    undefined,
    undefined,
    "",
    "b",
    "escaped",
    "\ud800",
  ]);
  const { events } = await archive.events(session);
  assert.deepEqual(events.map(({ seq }) => seq), [9, 10, 11, 12, 13, 14, 15, 16]);
  assert.deepEqual(events.map(({ instance }) => instance), [
    null,
    "1",
    '"a-1"',
    '"a-1"',
    "1",
    '"1"',
    '"a-1"',
    '{"a":[1]}',
  ]);
  assert.equal(events[4]!.action.length, 4096);
  assert.deepEqual((await archive.events(session, { text: "half" })).events.map(({ seq }) => seq), [16]);
  assert.deepEqual((await archive.events(session, { instance: '"1"' })).events.map(({ seq }) => seq), [14]);
  assert.deepEqual(
    (await archive.messages(session, { types: ["big"] })).messages.map(({ seq }) => seq),
    [8],
  );
  const { instances } = await archive.stateAt(session, { seq: 16 });
  assert.deepEqual(instances.map(({ instance, restorable }) => [instance, restorable]), [
    ["1", true],
    ['"a-1"', true],
    ['"1"', true],
    ['{"a":[1]}', true],
  ]);
});

Deno.test("Whoever begins to record while something is imported leaves that session alone", async () => {
  await using file = new TempFile();
  await using archive = await file.open();
  const isBegun = Promise.withResolvers<void>();
  async function* imported() {
    yield { text: "{}", time: 1 };
    await using _recorder = await archive.record();
    isBegun.resolve();
    yield { text: "{}", time: 2 };
  }
  await importSession(file.path, imported());
  await isBegun.promise;
  const { clean, gaps, messages } = await archive.session(1);
  assert.deepEqual([clean, gaps, messages], [true, 0, 2]);
});
