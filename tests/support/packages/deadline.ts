/** `@std/async` as npm has it: the code without its types. */
// @ts-types="./deadline.d.ts"
export { deadline } from "npm:/deno-std@1.4.0/async/deadline.js";
