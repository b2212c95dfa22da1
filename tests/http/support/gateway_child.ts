/**
 * A gateway in a process of its own, over a client without a bus: what is posted comes back. Options are the first argument,
 * as JSON; the first line that is printed is the port.
 */
// deno-lint-ignore-file no-console -- it is a program
import { serveGateway } from "../../../http.ts";
import { FakeClient } from "./fake_client.ts";

if (import.meta.main) {
  const options = JSON.parse(Deno.args[0] ?? "{}");
  const gateway = serveGateway(FakeClient.connected(), {
    port: 0,
    ...options,
    log: (line) => console.error(line),
  });
  console.log(gateway.port);
}
