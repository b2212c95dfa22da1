/** docs/many-machines.md says what is so: its configurations are taken as they are printed, and its users may do what it says. */
import assert from "node:assert/strict";
import { until } from "../support/deadline.ts";
import { endAll } from "../support/nats_cluster.ts";
import { freePort, hasNatsServer, NatsServer } from "../support/nats_server.ts";
import { RawNats } from "../support/raw_nats.ts";
import { assertCounts, closeAll, TestSite } from "../support/sites.ts";

const IGNORED = { ignore: !hasNatsServer };
const PAGE = Deno.readTextFileSync(new URL("../../docs/many-machines.md", import.meta.url));
const CONFIGS = new Map(
  [...PAGE.matchAll(/^```text\n# (\S+\.conf)\n([\s\S]*?)^```$/gm)].map(([, name, text]) => [name!, text!]),
);

/** Free ports in the place of the printed ones, the same for the same. */
class Ports {
  readonly #ports = new Map<string, number>();

  in(text: string): string {
    return text.replace(/(?<=127\.0\.0\.1:)\d+/g, (port) => `${this.of(port)}`);
  }

  of(port: string): number {
    if (!this.#ports.has(port)) this.#ports.set(port, freePort());
    return this.#ports.get(port)!;
  }
}

/** Starts what is printed; only the ports and the folder are others. */
async function start(text: string, ports: Ports): Promise<NatsServer> {
  const listen = /^listen: 127\.0\.0\.1:(\d+)\n/m.exec(text)!;
  return await NatsServer.start({
    config: ports.in(text.replace(listen[0], "")).replace(/\/var\/lib\/nats/g, "DIR"),
    port: ports.of(listen[1]!),
  });
}

Deno.test("docs/many-machines.md has the configurations that are tested here", () => {
  assert.deepEqual([...CONFIGS.keys()].sort(), [
    "cluster.conf",
    "hub.conf",
    "leaf.conf",
    "single.conf",
    "users.conf",
  ]);
});

for (const [name, text] of CONFIGS) {
  Deno.test(`nats-server understands ${name} as it is printed`, IGNORED, async () => {
    const file = await Deno.makeTempFile({ suffix: ".conf" });
    await Deno.writeTextFile(file, text);
    const { success, stderr } = await new Deno.Command("nats-server", { args: ["-t", "-c", file] }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    await Deno.remove(file);
  });
}

Deno.test("single.conf joins two places", IGNORED, async () => {
  await using nats = await start(CONFIGS.get("single.conf")!, new Ports());
  const sites = await TestSite.joined(["ward", "lab"], { servers: nats.url });
  assert.deepEqual(sites[0]!.problems, []); // No word of small messages: max_payload is large enough.
  for (const site of sites) site.say();
  for (const site of sites) await site.untilHeard(2);
  assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
  assertCounts(sites);
  await closeAll(sites);
});

Deno.test("cluster.conf, three times, makes a cluster with a stream of three copies", IGNORED, async () => {
  const ports = new Ports();
  const servers = await Promise.all([1, 2, 3].map((n) =>
    start(
      CONFIGS.get("cluster.conf")!.replaceAll("n1", `n${n}`).replace(
        "listen: 127.0.0.1:15001",
        `listen: 127.0.0.1:1500${n}`,
      )
        .replace("listen: 127.0.0.1:15201", `listen: 127.0.0.1:1520${n}`),
      ports,
    )
  ));
  const sites = await TestSite.joined(["ward", "lab"], {
    servers: servers.map(({ url }) => url),
    replicas: 3,
  });
  for (const site of sites) site.say();
  for (const site of sites) await site.untilHeard(2);
  await using raw = await RawNats.connect(servers[0]!.port);
  await raw.subscribe("answers");
  await raw.say("PUB $JS.API.STREAM.INFO.BRAVIZ_lab answers 0\r\n\r\n");
  await until(() => raw.text.includes('"num_replicas":3'));
  await closeAll(sites);
  await endAll(servers);
});

Deno.test("hub.conf and leaf.conf join places whose stream is at the hub", IGNORED, async () => {
  const ports = new Ports();
  const hub = await start(CONFIGS.get("hub.conf")!, ports);
  const leaf = await start(CONFIGS.get("leaf.conf")!, ports);
  const sites = [
    new TestSite({ servers: leaf.url, domain: "hub", site: "ward" }),
    new TestSite({ servers: hub.url, site: "home" }),
  ];
  for (const site of sites) await site.untilState("joined");
  for (const site of sites) site.say();
  for (const site of sites) await site.untilHeard(2);
  assert.deepEqual(sites[0]!.heard, sites[1]!.heard);
  await closeAll(sites);
  await endAll([hub, leaf]);
});

Deno.test(
  "users.conf: site joins and cannot delete the stream, eye hears and cannot speak",
  IGNORED,
  async () => {
    await using nats = await start(CONFIGS.get("users.conf")!, new Ports());
    const auth = { user: "site", password: "change me" };
    const sites = await TestSite.joined(["ward", "lab"], { servers: nats.url, auth });
    await using eye = await RawNats.connect(nats.port, { user: "eye", pass: "change me too" });
    await eye.subscribe("braviz.lab.>");
    await using site = await RawNats.connect(nats.port, { user: "site", pass: "change me" });
    const text = sites[0]!.say();
    for (const { heard } of sites) await until(() => heard.length === 1);
    await until(() => eye.text.includes(text));
    await eye.publish("braviz.lab.x", '{"from":"eye"}');
    await until(() => eye.text.includes("Permissions Violation"));
    await site.publish("$JS.API.STREAM.DELETE.BRAVIZ_lab", "");
    await until(() => site.text.includes("Permissions Violation"));
    // Enough that the server asks how far we are, which needs a permission of its own.
    for (let i = 0; i < 3000; i++) sites[0]!.say();
    for (const site of sites) await site.untilHeard(3001);
    for (const { problems } of sites) {
      assert.deepEqual(
        problems.filter((code) => code !== "small-payload"),
        [],
      );
    }
    await closeAll(sites);
  },
);
