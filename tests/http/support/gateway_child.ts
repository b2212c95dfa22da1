/**
 * A broker and its gateway in a process of their own. Options are the first argument, as JSON; the first line that is printed is
 * the port.
 */
// deno-lint-ignore-file no-console -- it is a program
import { MessageServer } from "../../../broker.ts";
import { serveGateway } from "../../../http.ts";

if (import.meta.main) {
  const options = JSON.parse(Deno.args[0] ?? "{}");
  const gateway = serveGateway(new MessageServer(), {
    port: 0,
    ...options,
    log: (line) => console.error(line),
  });
  console.log(gateway.port);
}
