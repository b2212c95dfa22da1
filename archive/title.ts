/**
 * What a session is called when nobody says.
 *
 * @module
 */

/** The date and time on this machine, of microseconds since 1970. */
export function titleOf(micros: number): string {
  const date = new Date(micros / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
