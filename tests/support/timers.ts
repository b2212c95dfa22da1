/** Counts the timers that are set while it is there, by name. */
export class TimerCount implements Disposable {
  count = 0;
  readonly #name: "setTimeout" | "setInterval";
  readonly #own: PropertyDescriptor;

  constructor(name: "setTimeout" | "setInterval") {
    this.#name = name;
    this.#own = Object.getOwnPropertyDescriptor(globalThis, name)!;
    const set = globalThis[name];
    Object.defineProperty(globalThis, name, {
      configurable: true,
      value: (callback: () => void, delayMs?: number) => {
        this.count++;
        return set(callback, delayMs);
      },
    });
  }

  [Symbol.dispose](): void {
    Object.defineProperty(globalThis, this.#name, this.#own);
  }
}
