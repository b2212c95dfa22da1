/** libzmq's own broker, zmq_proxy, in a process of Node: it looks at no message and numbers none. */
import { Child } from "../../bench/child.ts";
import { makeNodeFolder } from "./node_zeromq.ts";
import { ROOT } from "./program.ts";

export interface LibzmqBroker extends AsyncDisposable {
  readonly addresses: { readonly serverBroadcast: string; readonly serverReceive: string };
}

export async function startLibzmqBroker(): Promise<LibzmqBroker> {
  const folder = await makeNodeFolder();
  await Deno.copyFile(`${ROOT}/bench/node/zmq_proxy.mjs`, `${folder}/zmq_proxy.mjs`);
  const child = new Child("node", ["--preserve-symlinks", "--preserve-symlinks-main", "zmq_proxy.mjs"], {
    cwd: folder,
    onEnd: () => Deno.remove(folder, { recursive: true }),
  });
  const { broadcastAddress, receiveAddress } = await child.read() as Record<string, string>;
  return {
    addresses: { serverBroadcast: broadcastAddress!, serverReceive: receiveAddress! },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
