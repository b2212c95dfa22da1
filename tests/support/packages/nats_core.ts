/** The keys of NATS, to make credentials with. */
export { nkeys } from "npm:@nats-io/nats-core@3.4.0/internal";
