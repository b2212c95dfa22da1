/** The compiler of what is WebAssembly. */
export { default } from "npm:assemblyscript@0.28.20/asc";
