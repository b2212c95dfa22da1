/**
 * A message as a line of text.
 *
 * @module
 */

/** A line break or a tab outside of a JSON text's strings is white space, so it may be a space. */
export function oneLine(text: string): string {
  return text.replace(/\r\n|[\r\n\t]/g, " ");
}

/** For people: the time, the type, the text. */
export function describe(text: string): string {
  const { type } = JSON.parse(text);
  const time = new Date().toTimeString().slice(0, 8);
  return `${time}  ${typeof type === "string" ? type : "(no type)"}  ${oneLine(text)}`;
}
