/** Several NATS servers that belong together: a cluster of three, or a hub with leaves. */
import { freePort, NatsServer } from "./nats_server.ts";

/** Three servers of one cluster, with JetStream. */
export async function startCluster(): Promise<NatsServer[]> {
  const routes = [freePort(), freePort(), freePort()];
  const urls = routes.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const servers = await Promise.all(routes.map((route, i) =>
    NatsServer.start({
      config: `server_name: n${i + 1}
jetstream { store_dir: "DIR" }
cluster { name: lab, listen: "127.0.0.1:${route}", routes: [ ${urls} ] }`,
    })
  ));
  return servers;
}

/** A hub that has the stream, and leaves that dial it. */
export async function startLeaves(count: number): Promise<{ hub: NatsServer; leaves: NatsServer[] }> {
  const port = freePort();
  const hub = await NatsServer.start({
    config: `server_name: hub
jetstream { store_dir: "DIR", domain: hub }
leafnodes { listen: "127.0.0.1:${port}" }`,
  });
  const leaves = await Promise.all(Array.from({ length: count }, (_, i) =>
    NatsServer.start({
      config: `server_name: leaf${i + 1}
leafnodes { reconnect: 1, remotes: [ { url: "nats-leaf://127.0.0.1:${port}" } ] }`,
    })));
  return { hub, leaves };
}

/** Ends them all. */
export async function endAll(servers: readonly NatsServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
}
