/**
 * All mutants.
 *
 * @module
 */
import { BUS } from "./bus.ts";
import { ENGINE } from "./engine.ts";
import type { Mutant } from "./mutant.ts";
import { ROOMS } from "./rooms.ts";
import { WEB } from "./web.ts";

/** See the module. */
export const MUTANTS: readonly Mutant[] = [...ENGINE, ...BUS, ...WEB, ...ROOMS];
