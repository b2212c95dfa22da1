/**
 * Made by `deno task wasm` from `bus/wasm/plain_text.as`: do not edit.
 *
 * @module
 */

/** A WebAssembly module, in base64. */
export const PLAIN_TEXT: string =
  "AGFzbQEAAAABBgFgAX8BfwMCAQAFBAEBAQEHEgIFcGxhaW4AAAZtZW1vcnkCAArRAgHOAgICfwR7A0AgASAAQUBqTARAIAH9AAQA" +
  "IgP9DCIiIiIiIiIiIiIiIiIiIiL9IyAB/QAEECIE/QwiIiIiIiIiIiIiIiIiIiIi/SP9UCAB/QAEICIF/QwiIiIiIiIiIiIiIiIi" +
  "IiIi/SMgAf0ABDAiBv0MIiIiIiIiIiIiIiIiIiIiIv0j/VD9UCAD/QxcXFxcXFxcXFxcXFxcXFxc/SMgBP0MXFxcXFxcXFxcXFxc" +
  "XFxcXP0j/VAgBf0MXFxcXFxcXFxcXFxcXFxcXP0jIAb9DFxcXFxcXFxcXFxcXFxcXFz9I/1Q/VD9UCADIAT9diAFIAb9dv12/Qwg" +
  "ICAgICAgICAgICAgICAg/SX9UP1TRQRAIAFBQGshAQwCCwsLA0AgACABSgRAIAEsAAAiAkEiRiACQSBIciACQdwARnJFBEAgAUEB" +
  "aiEBDAILCwsgAQs=";
