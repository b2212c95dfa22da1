// Runs once for all tabs of a browser that show pages of this gateway.

import { serve } from "./hub.js";

globalThis.addEventListener("connect", ({ ports: [port] }) => serve(port));
