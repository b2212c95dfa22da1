/**
 * The NULL mechanism: READY in both directions, nothing else (RFC 37 §3.1).
 *
 * @module
 */
import { ProtocolError } from "../base/errors.ts";
import { type Command, encodeReady, type Metadata, parseMetadata } from "./command.ts";
import { printable } from "./greeting.ts";
import type { Mechanism, MechanismStep } from "./mechanism.ts";

/**
 * The dialling side says READY at once, as libzmq does on both sides. The listening side answers only when it has seen
 * the peer's: a libzmq client that is refused by ERROR before READY gives up, one that is dropped after READY comes back
 * for ever.
 */
export class NullMechanism implements Mechanism {
  readonly name = "NULL";
  readonly asServer = false;
  readonly #metadata: () => Metadata;
  readonly #listening: boolean;

  /** `metadata` is asked when READY is said. */
  constructor(metadata: () => Metadata, listening: boolean) {
    this.#metadata = metadata;
    this.#listening = listening;
  }

  start(): Uint8Array | undefined {
    return this.#listening ? undefined : encodeReady(this.#metadata());
  }

  handleCommand({ name, data }: Command): MechanismStep {
    if (name === "READY") return { metadata: parseMetadata(data) };
    throw new ProtocolError(
      "unexpected-before-ready",
      `Cannot take command ${printable(name)}: READY was expected`,
    );
  }

  accept(): Uint8Array | undefined {
    return this.#listening ? encodeReady(this.#metadata()) : undefined;
  }
}
