/**
 * The path of a request, and how paths with variable parts are found.
 *
 * @module
 */

/** The path of a URL, without the cost of `new URL`, and without its exceptions. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  for (let end = start; end < url.length; end += 1) {
    const char = url.charCodeAt(end);
    if (char === 0x3f || char === 0x23) return url.slice(start, end);
  }
  return url.slice(start);
}

/** A number in a path: no sign and no zero in front, so that one thing has one path. */
const NUMBER = /^[1-9]\d{0,14}$/;

/** The numbers in a path, in their order: 3 and 812 of `/sessions/3/events/812`. Parts of other kinds are passed over. */
export function numbersIn(path: string): readonly number[] {
  return path.split("/").filter((part) => NUMBER.test(part)).map(Number);
}

/** The path with `{}` for each number in it. */
export function templateOf(path: string): string {
  return path.split("/").map((part) => NUMBER.test(part) ? "{}" : part).join("/");
}
