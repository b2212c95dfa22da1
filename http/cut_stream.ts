/**
 * Readers that are cut off, as the person is told of them who runs the gateway.
 *
 * @module
 */

/** What readers are called, where they are counted, that were cut off since they are too slow. */
export const SLOW_READERS = "web readers cut off, too slow";
/** The same of those who had not read all when the gateway stopped. */
export const UNREAD_AT_STOP = "web readers cut off at the end, with something unread";

/**
 * Why a body breaks off. Deno hands it to `onError` of the server sooner or later, which prints it where there is none: as one line, and
 * not as a fault.
 */
export class CutStream {
  constructor(text: string) {
    Object.defineProperty(this, Symbol.for("Deno.customInspect"), { value: () => text });
  }
}
