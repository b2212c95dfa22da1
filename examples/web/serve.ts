// deno-lint-ignore-file no-console -- it is a program
/**
 * Three pages that listen to the bus in three ways, served together with the gateway, so that they have the same origin.
 *
 * `deno run --allow-net=127.0.0.1 examples/web/serve.ts`
 */
import { MessageServer } from "../../broker.ts";
import { messageGateway } from "../../http.ts";
import eventStream from "./event_stream.html" with { type: "text" };
import longPoll from "./long_poll.html" with { type: "text" };
import webSocket from "./web_socket.html" with { type: "text" };

const pages: Readonly<Record<string, string>> = {
  "/event_stream.html": eventStream,
  "/long_poll.html": longPoll,
  "/web_socket.html": webSocket,
};

await using broker = new MessageServer();
await using gateway = messageGateway(broker);

const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request, info) => {
  const page = pages[new URL(request.url).pathname];
  if (page === undefined) return gateway(request, info);
  return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
});
for (const path of ["/monitor", ...Object.keys(pages)]) {
  console.log(`http://127.0.0.1:${server.addr.port}${path}`);
}
await server.finished;
