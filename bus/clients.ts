/**
 * The clients: they send to a broker's receive address and listen at its broadcast address.
 *
 * @module
 */
export type { BusClient } from "./base_client.ts";
export type { ClientEvents, ClientOptions, ClientStats } from "./client_options.ts";
export { GenericMessageClient, type NewMessageHandler } from "./generic_client.ts";
export { MessageClient } from "./message_client.ts";
export {
  type HistoryEntry,
  type HistorySlice,
  PassiveMessageClient,
  type PassiveMessageClientOptions,
} from "./passive_client.ts";
