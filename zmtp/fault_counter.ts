/**
 * How connections began and ended.
 *
 * @module
 */
import { ConnectionError, HandshakeError, ProtocolError } from "../base/errors.ts";

/** Ends that tell something; with all others the peer just left. */
const TELLING: ReadonlySet<ConnectionError["code"]> = new Set(["heartbeat-timeout", "hung-up", "no-room"]);

/** Counts connections that ended for a fault of the peer, by the error's code. A peer that just leaves is no fault. */
export class FaultCounter {
  /** Handshakes that came to a good end. */
  accepted = 0;
  /** Frames that meant nothing to our role. */
  noise = 0;
  readonly #byCode: Map<string, number> = new Map();

  /** Counts an end. */
  count(reason: Error): void {
    const isFault = reason instanceof ProtocolError || reason instanceof HandshakeError ||
      (reason instanceof ConnectionError && TELLING.has(reason.code));
    if (isFault) this.#byCode.set(reason.code, (this.#byCode.get(reason.code) ?? 0) + 1);
  }

  /** The counts. */
  byCode(): Record<string, number> {
    return Object.fromEntries(this.#byCode);
  }
}
