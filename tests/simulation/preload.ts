/**
 * Loads what a world needs of the machine's own clock and loop, before the world takes their place. Import it first.
 *
 * @module
 */
import { loadCryptography } from "../../zmtp/curve/libsodium.ts";

await loadCryptography();
