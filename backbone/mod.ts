/**
 * Joins a broker with brokers on other machines, over NATS. All distribution is the work of NATS servers; this is a client of them.
 *
 * ```text
 *   applications ⇄ broker A ⇄ NATS ⇄ broker B ⇄ applications
 * ```
 *
 * The client library is downloaded from npm when a backbone is first used, and not before.
 *
 * @module
 */
export type * from "../bus/backbone.ts";
export type { EventHandler, TypedEventTarget } from "../bus/events.ts";
export { type BackboneEvents, BackboneProblemEvent, NatsBackbone } from "./nats_backbone.ts";
export type { NatsAuth, NatsBackboneOptions } from "./options.ts";
export { BackboneProblem } from "./problem.ts";
