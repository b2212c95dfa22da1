/** `GET /broker`, where the broker is in the process and where it is not. */
import assert from "node:assert/strict";
import { MessageServer } from "../../broker.ts";
import { PassiveMessageClient } from "../../client.ts";
import { messageGateway } from "../../http.ts";
import { soon, until } from "../support/deadline.ts";
import { RawPeer } from "../support/raw_peer.ts";
import { quiet } from "./support/bus.ts";

const ask = () => new Request("http://127.0.0.1/broker");

Deno.test("GET /broker tells who is here, what was refused and who could not join", async () => {
  await using server = new MessageServer();
  await using gateway = messageGateway(server, quiet);
  await using client = new PassiveMessageClient({ ...server.addresses, name: "viewer" });
  await soon(client.ready);
  await using peer = await RawPeer.join(server.receiveAddress, "PUSH");
  await peer.send("NaN");
  await using _swapped = new PassiveMessageClient({ serverBroadcast: server.receiveAddress });
  await until(() => server.refusals().length + server.failedHandshakes().length === 2, "both troubles");

  const response = await gateway(ask());

  assert.equal(response.status, 200);
  const { connections, refusals, failedHandshakes, ...addresses } = await response.json();
  assert.deepEqual(addresses, {
    broadcastAddress: server.broadcastAddress,
    receiveAddress: server.receiveAddress,
  });
  assert.deepEqual(connections.map(({ name }: { name?: string }) => name), ["viewer", undefined, "viewer"]);
  assert.deepEqual(refusals, JSON.parse(JSON.stringify(server.refusals())));
  assert.deepEqual(failedHandshakes, server.failedHandshakes());
});

Deno.test("GET /broker escapes what would act on a terminal", async () => {
  await using server = new MessageServer();
  await using gateway = messageGateway(server, quiet);
  const name = "a\u0085b\u009bc\u202ed";
  await using client = new PassiveMessageClient({ ...server.addresses, name, instanceId: `${name}!` });
  await soon(client.ready);
  await using peer = await RawPeer.join(server.receiveAddress, "PUSH");
  await peer.send(name);
  await until(() => server.refusals().length === 1, "the refusal");

  const text = await (await gateway(ask())).text();

  // deno-lint-ignore no-control-regex -- what it is about
  assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
  const { connections, refusals } = JSON.parse(text);
  assert.equal(connections[0].name, name);
  assert.equal(connections[0].instanceId, `${name}!`);
  assert.equal(refusals[0].text, name);
});

Deno.test("GET /broker without a broker in the process says where to ask", async () => {
  await using server = new MessageServer();
  await using client = new PassiveMessageClient(server.addresses);
  await using gateway = messageGateway(client, quiet);

  const response = await gateway(ask());

  assert.equal(response.status, 404);
  assert.match((await response.json()).detail, /broker\.ts --http can tell/);
});

Deno.test("GET /broker needs the token", async () => {
  await using server = new MessageServer();
  await using gateway = messageGateway(server, { ...quiet, token: "abc" });

  const response = await gateway(ask());

  assert.equal(response.status, 401);
  await response.body?.cancel();
});
