// deno-lint-ignore-file no-console -- it is a program
/**
 * The servers of the HTTP bench, each in a process of its own: our gateway beside a real broker or in the process of one, and
 * bare `Deno.serve` prototypes that do the least that the same job needs. The first line that is printed is the port.
 */
import { serveGateway } from "../http.ts";
import { MessageServer } from "../broker.ts";
import { PassiveMessageClient } from "../client.ts";

const MESSAGE = '{"type":"subject","subject":119}';
const encoder = new TextEncoder();

type Handler = (request: Request) => Response | Promise<Response>;

/** Answers the same text to everything. */
function constant(): Handler {
  const body = JSON.stringify({ count: 1, message: MESSAGE });
  return () => new Response(body, { headers: { "content-type": "application/json" } });
}

/** Headers that the specification asks for: what they cost is no fault of the gateway. */
const HEADERS: [string, string][] = [
  ["content-type", "application/json; charset=UTF-8"],
  ["x-content-type-options", "nosniff"],
  ["cross-origin-resource-policy", "same-origin"],
  ["vary", "Origin"],
  ["cache-control", "no-store"],
  ["etag", '"k3f9x2ab.1841"'],
  ["message-cursor", "k3f9x2ab.1841"],
];

/** The same with all headers of a GET. */
function constantWithHeaders(): Handler {
  const body = JSON.stringify({ count: 1, message: MESSAGE });
  const headers: [string, string][] = [...HEADERS, ["message-count", "1841"]];
  return () => new Response(body, { headers });
}

/** Reads the body of a POST and answers 202, whatever it is. */
function reader(): Handler {
  return async (request) => {
    await request.text();
    return new Response(null, { status: 202 });
  };
}

/** The same with the headers that all our answers have. */
function readerWithHeaders(): Handler {
  const headers = HEADERS.slice(1, 5);
  return async (request) => {
    await request.text();
    return new Response(null, { status: 202, headers });
  };
}

/** Long-poll: a set of resolvers, with what it takes to let go of clients that are gone. */
function longPoll(): Handler {
  return longPollWith([["content-type", "application/json"]]);
}

/** The same, with all headers of a long-poll. */
function longPollWithHeaders(): Handler {
  return longPollWith(HEADERS);
}

function longPollWith(headers: [string, string][]): Handler {
  const init = { headers: headers.length === 1 ? Object.fromEntries(headers) : headers };
  const waiting = new Set<(response: Response) => void>();
  return async (request) => {
    if (request.method === "POST") {
      const body = JSON.stringify({ message: new URLSearchParams(await request.text()).get("message") });
      queueMicrotask(() => {
        for (const answer of [...waiting]) {
          answer(new Response(body, init));
        }
      });
      return new Response(null, { status: 202 });
    }
    if (request.url.endsWith("/waiting")) return new Response(String(waiting.size));
    return await new Promise((resolve) => {
      const answer = (response: Response) => {
        waiting.delete(answer);
        resolve(response);
      };
      waiting.add(answer);
      request.signal.addEventListener("abort", () => answer(new Response(null, { status: 204 })));
    });
  };
}

/** Server-sent events: a set of controllers. */
function stream(): Handler {
  const controllers = new Set<ReadableStreamDefaultController<Uint8Array>>();
  let id = 0;
  return async (request) => {
    if (request.method === "POST") {
      const text = new URLSearchParams(await request.text()).get("message");
      const event = encoder.encode(`id: ${++id}\ndata: ${text}\n\n`);
      queueMicrotask(() => {
        for (const controller of controllers) controller.enqueue(event);
      });
      return new Response(null, { status: 202 });
    }
    if (request.url.endsWith("/waiting")) return new Response(String(controllers.size));
    let own: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        own = controller;
        controllers.add(controller);
        controller.enqueue(encoder.encode(":\n\n"));
      },
      cancel: () => void controllers.delete(own),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
}

/** WebSockets: a set of them. */
function webSocket(): Handler {
  const sockets = new Set<WebSocket>();
  return async (request) => {
    if (request.method === "POST") {
      const text = new URLSearchParams(await request.text()).get("message")!;
      queueMicrotask(() => {
        for (const socket of sockets) socket.send(text);
      });
      return new Response(null, { status: 202 });
    }
    if (request.url.endsWith("/waiting")) return new Response(String(sockets.size));
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onopen = () => sockets.add(socket);
    socket.onclose = () => sockets.delete(socket);
    return response;
  };
}

const BARE: Readonly<Record<string, () => Handler>> = {
  constant,
  constantWithHeaders,
  reader,
  readerWithHeaders,
  longPoll,
  longPollWithHeaders,
  stream,
  webSocket,
};

if (import.meta.main) {
  const [kind = "", serverBroadcast, serverReceive] = Deno.args;
  const make = BARE[kind];
  if (make !== undefined) {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, tcpBacklog: 4096, onListen: () => {} },
      make(),
    );
    console.log(server.addr.port);
  } else if (kind === "local") {
    console.log(serveGateway(new MessageServer(), { port: 0 }).port);
  } else {
    const client = new PassiveMessageClient({
      serverBroadcast: serverBroadcast!,
      serverReceive: serverReceive!,
    });
    await client.ready;
    const gateway = serveGateway(client, { port: 0, maxWaiters: 20_000 });
    console.log(gateway.port);
  }
}
