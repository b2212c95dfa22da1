/** Seeds of fast-check that once made `fuzz_test.ts` fail, each with what it found. They are run first, every time. None so far. */
export const SEEDS: Readonly<Record<"session" | "process", readonly number[]>> = { session: [], process: [] };
