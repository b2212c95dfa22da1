/** A libzmq PUSH and a libzmq SUB at a broker of ours, between which messages must pass whatever anybody else does. */
import { LibzmqPush, LibzmqSub, receive, send } from "./libzmq.ts";

/** Where a broker is. */
export interface BrokerAddresses {
  readonly broadcastAddress: string;
  readonly receiveAddress: string;
}

/** Says which run of the tests a message belongs to: what others send is skipped, be it as hostile as it may. */
const TYPE = "healthy";

export class HealthyPair implements Disposable {
  readonly #push = new LibzmqPush();
  readonly #sub = new LibzmqSub();
  #number = 0;

  private constructor({ broadcastAddress, receiveAddress }: BrokerAddresses) {
    this.#sub.connect(broadcastAddress);
    this.#sub.subscribe("");
    this.#push.connect(receiveAddress);
  }

  /** Joins; resolves when a message has come through. */
  static async join(broker: BrokerAddresses): Promise<HealthyPair> {
    const pair = new HealthyPair(broker);
    try {
      await pair.#probe();
    } catch (error) {
      pair[Symbol.dispose]();
      throw error;
    }
    return pair;
  }

  /** Sends one message and waits until it comes, once, behind those that were sent before. */
  async pass(ms = 20_000): Promise<void> {
    const number = ++this.#number;
    await send(this.#push, JSON.stringify({ type: TYPE, number }));
    let got: number | undefined;
    while (got !== number) {
      got = numberOf(await receive(this.#sub, ms));
      if (got !== undefined && got > number) throw new Error(`message ${got} came instead of ${number}`);
    }
  }

  [Symbol.dispose](): void {
    this.#push.close();
    this.#sub.close();
  }

  /** libzmq tells nobody when its subscription is in place: messages are repeated until one is heard, however late. */
  async #probe(): Promise<void> {
    const end = performance.now() + 20_000;
    for (let isHeard = false; !isHeard;) {
      await send(this.#push, JSON.stringify({ type: TYPE, number: ++this.#number }));
      try {
        while (!isHeard) isHeard = numberOf(await receive(this.#sub, 100)) !== undefined;
      } catch (error) {
        if (performance.now() > end) throw error;
      }
    }
    await this.pass();
  }
}

function numberOf(parts: readonly string[]): number | undefined {
  if (parts.length !== 1 || !parts[0]!.startsWith(`{"type":"${TYPE}"`)) return undefined;
  return JSON.parse(parts[0]!).number;
}
