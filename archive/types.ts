/**
 * Which types of messages pass: names, with a `*` at the end for anything.
 *
 * @module
 */

/** Says for a type whether one of the names stands for it. */
export function matcher(types: readonly string[]): (type: string) => boolean {
  const exact = new Set(types.filter((type) => !type.endsWith("*")));
  const starts = types.filter((type) => type.endsWith("*")).map((type) => type.slice(0, -1));
  return (type) => exact.has(type) || starts.some((start) => type.startsWith(start));
}
