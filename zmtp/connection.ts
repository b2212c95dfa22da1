/**
 * A TCP connection, as four methods.
 *
 * @module
 */

/** What a link needs of a TCP connection; Deno's is one. */
export interface Connection extends Disposable {
  /** Where the peer is. */
  readonly remoteAddr: { readonly hostname: string; readonly port: number };
  /** Reads into the buffer; null at the end. */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes a part of the bytes, or all, and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Tells the peer that nothing more will come. */
  closeWrite(): Promise<void>;
  /** Small writes leave at once. */
  setNoDelay(noDelay?: boolean): void;
}
