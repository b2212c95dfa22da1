/**
 * `order: "local"` over one connection: what local people have heard already goes out to the others, and what they say comes in.
 * Nothing is kept by NATS, so a PONG behind a batch is all the confirmation there is: the next server has it.
 *
 * @module
 */
import type { NatsConnection, NatsMessage } from "./library.ts";
import { FROM, GONE, MAX_HEADER_BYTES, parseOrigin } from "./origin.ts";
import { BackboneProblem } from "./problem.ts";
import { isProbe, Life, probe, type Session, type SessionHost } from "./session.ts";

/** See the module. */
export class LocalSession implements Session {
  readonly #nc: NatsConnection;
  readonly #host: SessionHost;
  readonly #life: Life;
  #isWell = false;
  #isPumping = false;

  constructor(nc: NatsConnection, host: SessionHost) {
    this.#nc = nc;
    this.#host = host;
    this.#life = new Life(nc);
  }

  get isWell(): boolean {
    return this.#isWell && !this.#life.isEnded;
  }

  async run(): Promise<void> {
    const { queue, subjects, settings, connects } = this.#host;
    queue.goBack();
    void this.#watch();
    try {
      probe(this.#nc, subjects);
      this.#nc.subscribe(subjects.all, { callback: (_error, message) => this.#handle(message) });
      await Promise.race([this.#nc.flush(), this.#life.ended]);
    } catch {
      // The connection is gone again.
    }
    // The others were cut off as well, and dial at their own pace: what is sent before they are back they never hear.
    if (connects > 1) await this.#life.pause(settings.settleMs);
    if (!this.#life.isEnded) {
      this.#isWell = true;
      this.#host.untell();
      this.#host.look();
      this.pump();
    }
    await this.#life.ended;
    this.#host.look();
  }

  pump(): void {
    if (this.#isWell && !this.#isPumping && !this.#host.isMute) void this.#send();
  }

  tick(): void {
    this.pump();
  }

  async #send(): Promise<void> {
    const { queue, forbidden } = this.#host;
    this.#isPumping = true;
    try {
      // What is taken in the same turn goes out together.
      await undefined;
      while (!this.#life.isEnded && !queue.isEmpty && !this.#host.isMute) {
        const start = performance.now();
        const maxBytes = (this.#nc.info?.max_payload ?? Infinity) - MAX_HEADER_BYTES;
        let isAny = false;
        for (let out; (out = queue.next(maxBytes, [])) !== undefined; isAny = true) {
          const { headers } = out;
          this.#nc.publish(out.subject, out.body, { headers: { encode: () => headers } });
        }
        if (!isAny) break;
        const last = queue.lastWireNumber;
        await Promise.race([this.#nc.flush(), this.#life.ended]);
        if (this.#life.isEnded) break;
        this.#host.handleLatency(performance.now() - start);
        queue.confirmUpTo(last, forbidden);
      }
    } catch {
      // The connection is ending; what is not confirmed goes out over the next one.
    } finally {
      this.#isPumping = false;
    }
    this.#host.look();
  }

  #handle(message: NatsMessage): void {
    const { queue, receiver, counts, subjects } = this.#host;
    const { data, headers } = message;
    const from = headers?.get(FROM) ?? "";
    const origin = from === "" ? undefined : parseOrigin(from);
    if (origin === undefined) {
      if (isProbe(message, subjects)) return;
      counts.foreign++;
      return this.#host.deliver({ body: data });
    }
    if (origin.instance === queue.instance) {
      counts.ownBack++;
      return;
    }
    const gone = /^[1-9]\d{0,8}$/.test(headers!.get(GONE)) ? Number(headers!.get(GONE)) : 0;
    if (receiver.take(origin, performance.now(), gone) !== "pass" || gone > 0) return;
    this.#host.deliver({ body: data });
  }

  async #watch(): Promise<void> {
    for await (const { type, error } of this.#nc.status()) {
      if (type === "ldm" && this.#host.settings.servers.length > 1) void this.#nc.close();
      if (type !== "error" || error?.subject === undefined) continue;
      if (error.operation === "publish") this.#host.forbidden.add(error.subject);
      if (error.operation === "publish" && error.subject === this.#host.subjects.lost) {
        this.#host.mute();
        continue;
      }
      const what = error.operation === "publish" ? "send to" : "listen to";
      this.#host.tell(
        new BackboneProblem(
          "forbidden",
          `Cannot ${what} ${error.subject}: the server forbids it to this user`,
        ),
      );
    }
  }
}
