/**
 * Seeds that once failed, and what they found. They stay, although a seed is another world once the scenario has changed: each of
 * these has a small test of its own, too, beside the code that it was about.
 */
export const SEEDS: readonly (readonly [seed: number, what: string])[] = [
  [17, "the feed of a client that began at a place had places of its own, and receipts told them"],
  [124, "messages of the seventeenth life back had no place of their own"],
  [74, "a link that had ended took a turn at the gate, and nobody got another one"],
  [122, "a slow reader with a small queue was waited for again and again"],
  [378, "what a given-up line still carries comes after what was said over the next one"],
  [58, "a gap of the archive was written twice when the Worker that writes died twice"],
  [1010, "a session that ended on a full disk told only the newest of what it missed"],
  [1047, "a recorder that ended without its Worker did not count what was on its way as lost"],
  [1645, "bytes were not counted that were freed as soon as they were written"],
];
