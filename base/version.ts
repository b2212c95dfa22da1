/** The version of this package; a test holds it equal to that in `deno.json`, which a remote module cannot read. */
export const VERSION = "0.3.0";
