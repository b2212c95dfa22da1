/**
 * The version of the package. A file of its own rather than an import of `deno.json`: that would be one more request for
 * everyone who imports from a URL. A test compares the two.
 *
 * @module
 */

/** As in `deno.json`. */
export const VERSION = "0.1.0";
