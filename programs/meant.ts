/**
 * What somebody meant who typed a name that does not exist. Pure.
 *
 * @module
 */

/** The known name that is nearest; undefined when none is near. */
export function meant(typed: string, known: readonly string[]): string | undefined {
  const text = typed.toLowerCase();
  // Somebody who types the beginning of one name only means that name.
  const longer = known.filter((name) => name.startsWith(text));
  if (text.length >= 2 && longer.length === 1) return longer[0];
  let [nearest, least] = [undefined as string | undefined, Infinity];
  for (const name of known) {
    const steps = distance(text, name.toLowerCase());
    if (steps < least) [nearest, least] = [name, steps];
  }
  // Of a short name, one wrong letter leaves little.
  return least <= Math.max(1, Math.floor(text.length / 3)) ? nearest : undefined;
}

/** How many letters have to be added, left out, changed, or swapped with their neighbour. */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        next[j] = Math.min(next[j]!, before[j - 2]! + 1);
      }
    }
    [before, row] = [row, next];
  }
  return row[b.length]!;
}
