/**
 * One world from one seed: who is in it, what befalls them, and whether the bus keeps its promises.
 *
 * @module
 */
import { enter } from "./globals.ts";
import { QueueFullError } from "../../base/errors.ts";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import type { GatewayBus } from "../../http/gate.ts";
import { messageGateway } from "../../http/gateway.ts";
import type { GatewayOptions } from "../../http/options.ts";
import { publicKeyOf } from "../../zmtp/curve/x25519.ts";
import { listenSecurity } from "../../zmtp/security.ts";
import { MessageClient } from "../../bus/message_client.ts";
import { PassiveMessageClient } from "../../bus/passive_client.ts";
import { zmtp } from "../../zmtp/mod.ts";
import { Disk } from "./disk.ts";
import { attack } from "./hostile.ts";
import { Model, PlainWatcher, textOf, Watcher } from "./model.ts";
import { type Manners, Net } from "./net.ts";
import { CALM, type Cut, ENOUGH_BYTES, type Event, type MemberPlan, Plan, TEXT_BYTES } from "./plan.ts";
import type { Random } from "./random.ts";
import { type Door, Visitor, type WAYS } from "./web.ts";
import { Process, World } from "./world.ts";

/** What came of a world. */
export interface Outcome {
  readonly seed: number;
  /** What went wrong first; undefined: nothing. */
  readonly failure: string | undefined;
  /** What was left out. */
  readonly cut: Cut;
  /** What befell them. */
  readonly events: readonly Event[];
  /** When it went wrong. */
  readonly failedAtMs: number | undefined;
  readonly hash: number;
  readonly virtualMs: number;
  readonly steps: number;
  readonly messages: number;
  readonly heard: number;
  readonly missed: number;
  readonly lives: number;
}

const BROADCAST = 5001;
const RECEIVE = 5002;
const ADDRESSES = {
  serverBroadcast: `tcp://127.0.0.1:${BROADCAST}`,
  serverReceive: `tcp://127.0.0.1:${RECEIVE}`,
};
/** Once faults have ended everybody must be back and have heard everything within this time. */
const RECOVERY_MS = 60_000;
/** Its public key is everybody's to know. */
const SECRET_KEY = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const PUBLIC_KEY = publicKeyOf(SECRET_KEY);

/** Loads what cannot be loaded within a world. */
export async function prepare(): Promise<void> {
  await listenSecurity(() => [], { curve: { secretKey: SECRET_KEY } }).ready;
}

/** One that takes part. */
interface Member extends MemberPlan {
  life: number;
  process: Process;
  watcher: Watcher | undefined;
}

/** Runs the world of a seed to its end. */
export function simulate(
  seed: number,
  { trace, cut = new Set() }: { readonly trace?: ((line: string) => void) | undefined; readonly cut?: Cut } =
    {},
): Outcome {
  const world = new World(seed);
  world.trace = trace;
  const scenario = new Scenario(world, cut);
  try {
    scenario.run();
  } finally {
    enter(undefined);
  }
  const { model } = scenario;
  let messages = 0;
  for (const { texts } of model.lives.values()) messages += texts.length;
  return {
    seed,
    failure: world.failure,
    cut,
    events: scenario.plan.events,
    failedAtMs: world.failure === undefined ? undefined : world.now,
    hash: world.hash >>> 0,
    virtualMs: world.now,
    steps: world.steps,
    messages,
    heard: model.heard.messages,
    missed: model.heard.missed,
    lives: model.lives.size,
  };
}

/** A subscriber that knows nothing of places. */
interface Plain {
  readonly process: Process;
  readonly watcher: PlainWatcher;
  readonly manners: Manners;
  close(): Promise<void>;
}

class Scenario {
  readonly world: World;
  readonly net: Net;
  readonly model: Model;
  readonly plan: Plan;
  readonly #options: MessageServerOptions;
  readonly #members: Member[] = [];
  readonly #hostile: { readonly process: Process; readonly end: AbortController }[] = [];
  readonly #plain: Plain[] = [];
  readonly #visitors: Visitor[] = [];
  #gateway: (Door & { readonly client: PassiveMessageClient | undefined }) | undefined;
  #gatewayLives = 0;
  /** What each life of the broker recorded to. */
  readonly #disks: { readonly disk: Disk; readonly epoch: string }[] = [];
  #broker!: Process;
  #server!: MessageServer;
  #brokerLives = 0;
  #isHealed = false;
  #spoken = 0;
  #dials: "fine" | "refused" | "silent" = "fine";
  #acceptsFail = false;

  constructor(world: World, cut: Cut) {
    this.world = world;
    this.model = new Model(world);
    const plan = this.plan = new Plan(world, cut);
    this.net = new Net(world, (process) => this.#mannersOf(process));
    this.net.judgeDial = (process) => this.#isCalm(process) ? "fine" : this.#dials;
    this.model.linesOf = (from) => {
      const sender = this.#members.find(({ watcher }) => watcher?.from === from)?.process;
      return sender === undefined ? 2 : this.net.linesOf(sender, RECEIVE);
    };
    this.net.failsAccept = () => this.#acceptsFail && world.stream("accepts").chance(0.3);
    enter(world, this.net);
    this.#options = {
      ...plan.options,
      broadcastPort: BROADCAST,
      receivePort: RECEIVE,
      ...(plan.hasCurve ? { curve: { secretKey: SECRET_KEY } } : {}),
    };
    for (const member of plan.members) {
      this.#members.push({ ...member, life: 0, process: new Process(member.name), watcher: undefined });
    }
    for (let i = 0; i < plan.hostile; i++) {
      this.#hostile.push({ process: new Process(`hostile-${i}`), end: new AbortController() });
    }
  }

  run(): void {
    const { world, plan } = this;
    this.#begin();
    for (const member of this.#members) {
      world.after(member.joinsAtMs, undefined, "join", () => this.#join(member, "now"));
      if (plan.acts) this.#act(member, 0);
    }
    for (const { process, end } of this.#hostile) {
      const random = world.stream(process.name);
      const ports = { broadcast: BROADCAST, receive: RECEIVE };
      world.after(random.int(1000), process, "attack", () => void attack(ports, random, end.signal));
    }
    for (const { name, manners, joinsAtMs } of plan.plain) {
      world.after(joinsAtMs, undefined, "join", () => this.#joinPlain(name, manners));
    }
    if (plan.gateway === "beside") world.after(100, undefined, "gateway", () => this.#beginGateway());
    for (const [i, { way, isSlow }] of plan.visitors.entries()) this.#invite(`visitor-${i}`, way, isSlow);
    if (plan.floodAtMs !== undefined) world.after(plan.floodAtMs, undefined, "flood", () => this.#flood());
    if (plan.speaks) this.#speak(0);
    for (const event of plan.events) {
      world.after(event.atMs, undefined, "fault", () => this.#fault(event));
    }
    world.run(plan.durationMs, () => this.#look());
    this.#heal();
    world.run(RECOVERY_MS, () => this.#look());
    this.#sayLast();
    world.run(5000, () => this.#look());
    this.#expectAllHeard();
    this.#end();
  }

  // Who is there.

  #begin(): void {
    const { world, model } = this;
    this.#broker = new Process(`broker-${this.#brokerLives++}`);
    world.in(this.#broker, () => {
      const disk = this.plan.hasArchive ? new Disk(world, this.#broker) : undefined;
      const server = this.#server = new MessageServer({
        ...this.#options,
        ...(disk === undefined ? {} : { recorder: disk.recorder }),
      });
      const { epoch } = server.feed;
      model.begin(epoch);
      if (disk !== undefined) this.#disks.push({ disk, epoch });
      server.addEventListener("message", ({ text }) => model.accept(text));
      if (this.plan.gateway === "inside") {
        const handler = messageGateway(server as GatewayBus & MessageServer, WEB_OPTIONS);
        this.#gateway = { process: this.#broker, handler, client: undefined };
      }
    });
  }

  /** A gateway in a process of its own. */
  #beginGateway(): void {
    const process = new Process(`gateway-${this.#gatewayLives++}`);
    this.world.in(process, () => {
      const client = new PassiveMessageClient({
        ...ADDRESSES,
        ...this.#curve,
        maxMessageBytes: this.plan.maxMessageBytes,
        heartbeatMs: this.plan.options.heartbeatMs!,
        handshakeTimeoutMs: 2000,
        reconnect: { minMs: 20, maxMs: 500 },
      });
      client.ready.catch(() => {});
      this.#gateway = { process, handler: messageGateway(client, WEB_OPTIONS), client };
    });
  }

  #invite(name: string, way: typeof WAYS[number], isSlow: boolean): void {
    const { world, model } = this;
    const [process, random] = [new Process(name), world.stream(name)];
    const door = () => this.#gateway;
    const visitor = new Visitor({ world, model, process, way, random, door, isSlow });
    this.#visitors.push(visitor);
    world.after(random.int(2000), process, "visit", () => void visitor.read());
    const say = () => {
      world.after(random.between(5, 3000) / this.plan.busyness, process, "post", () => {
        if (this.#isHealed) return;
        void visitor.say(random.pick(this.plan.sizes));
        say();
      });
    };
    say();
  }

  get #curve(): { readonly curve?: { readonly serverKey: Uint8Array } } {
    return this.plan.hasCurve ? { curve: { serverKey: PUBLIC_KEY } } : {};
  }

  #join(member: Member, since: string): void {
    const { world, model } = this;
    if (member.life > 0) member.process = new Process(`${member.name}.${member.life}`);
    const from = `${member.name}.${member.life++}`;
    const random = world.stream(`join of ${from}`);
    world.in(member.process, () => {
      const options = {
        ...ADDRESSES,
        ...this.#curve,
        since,
        name: member.name,
        // Now and then a client sends what is too large for the broker, and hears that it was refused.
        maxMessageBytes: 2 * this.plan.maxMessageBytes + 200,
        heartbeatMs: member.heartbeatMs,
        handshakeTimeoutMs: 2000,
        reconnect: { minMs: random.pick([1, 20, 100]), maxMs: random.pick([200, 1000]) },
        lingerMs: random.pick([0, 500]),
        sendQueue: { messages: random.pick([20, 1000, 10_000]) },
      };
      const client = member.isPassive ? new PassiveMessageClient(options) : new MessageClient(options);
      client.addEventListener("error", () => {});
      const at = since === "now" || since === "earliest" ? undefined : since;
      member.watcher = new Watcher(model, member.process.name, from, client, member.isPassive, at);
      member.watcher.mustMissNothing = member.isCalm && this.plan.isFair;
    });
  }

  #joinPlain(name: string, manners: Manners): void {
    const process = new Process(name);
    const watcher = new PlainWatcher(this.model, name);
    const decoder = new TextDecoder();
    const socket: { close?: () => Promise<void> } = {};
    this.#plain.push({ process, watcher, manners, close: () => socket.close!() });
    this.world.in(process, () => {
      const sub = zmtp.sub({
        address: ADDRESSES.serverBroadcast,
        ...this.#curve,
        reconnect: { minMs: 20, maxMs: 500 },
        heartbeatMs: this.#options.heartbeatMs ?? 0,
        handshakeTimeoutMs: 2000,
      }, {
        handleMessage: (bytes, _start, bodyStart, end) =>
          watcher.hear(decoder.decode(bytes.subarray(bodyStart, end))),
        handleUnfit: (reason) => this.world.fail(`${name} was sent what is ${reason}`),
        handleTurnEnd() {},
        handleConnect() {},
        handleDisconnect() {},
        handleFailure() {},
      });
      sub.subscribe(new Uint8Array(0));
      socket.close = () => sub.close();
    });
  }

  /** What they did not hear is what the broker counted as dropped for them, where they had one connection to one broker. */
  #checkPlain(): void {
    const { subscribers } = this.#server.stats().subscribers!;
    for (const { process, watcher, manners } of this.#plain) {
      const [socket] = this.net.of(process);
      if (socket === undefined) return this.world.fail(`${process.name} is not back`);
      const stats = subscribers.find(({ address }) => address.endsWith(`:${socket.localAddr.port}`));
      watcher.end();
      if (stats === undefined || this.model.lives.size > 1 || this.net.dialled(process) > 1) continue;
      if (stats.dropped !== watcher.missed) {
        this.world.fail(
          `${process.name} missed ${watcher.missed} messages, the broker dropped ${stats.dropped}`,
        );
      }
      if (manners === CALM && this.plan.isFair && watcher.missed > 0) {
        this.world.fail(`${process.name} keeps the pace, and missed ${watcher.missed} messages`);
      }
    }
  }

  #mannersOf(process: Process): Manners {
    const member = [...this.#members, ...this.#plain].find((member) => member.process === process);
    if (member === undefined) return CALM;
    return this.#isHealed ? CALM : member.manners;
  }

  #isCalm(process: Process): boolean {
    return this.#members.some((member) => member.process === process && member.isCalm);
  }

  // What they do.

  #act(member: Member, number: number): void {
    const random = this.world.stream(`act ${number} of ${member.name}`);
    const ms = random.between(5, 2000) / this.plan.busyness;
    this.world.after(ms, undefined, "act", () => {
      if (this.#isHealed) return;
      this.#act(member, number + 1);
      const { process, watcher } = member;
      if (watcher === undefined || !process.isAlive || process.isStopped) return;
      const count = random.chance(0.1) ? random.int(100) : 1 + random.int(3);
      this.world.in(process, () => this.#say(member, watcher, count, random));
    });
  }

  /** One sends more at once than the window holds. */
  #flood(): void {
    const member = this.#members.find(({ isCalm, watcher, process }) =>
      isCalm && watcher !== undefined && process.isAlive
    );
    if (member === undefined || this.#isHealed) return;
    const { process, watcher } = member;
    const size = Math.min(2000, this.plan.maxMessageBytes - TEXT_BYTES);
    this.world.in(process, () => {
      try {
        for (let bytes = 0; bytes < 3 * ENOUGH_BYTES; bytes += size) {
          watcher!.client.sendJsonMessage(textOf(watcher!.from, watcher!.sent + 1, size));
          watcher!.sent++;
          watcher!.fit++;
        }
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
      }
    });
  }

  /** The broker has something to say itself, one way or the other. */
  #speak(number: number): void {
    const { world, model } = this;
    const random = world.stream(`speech ${number}`);
    world.after(random.between(5, 4000) / this.plan.busyness, undefined, "speak", () => {
      if (this.#isHealed) return;
      this.#speak(number + 1);
      const [server, broker] = [this.#server, this.#broker];
      if (!broker.isAlive || broker.isStopped || !server.local.isSending) return;
      const text = textOf(`the ${broker.name}`, ++this.#spoken, random.pick([0, 100]));
      world.in(broker, () => {
        if (random.chance(0.5)) {
          model.accept(text);
          return server.sendJsonMessage(text);
        }
        const { position } = server.local.publish([text]);
        if (position !== (server.pause ? undefined : model.life.texts.length)) {
          world.fail(`the broker published at ${position}, its feed is at ${model.life.texts.length}`);
        }
      });
    });
  }

  #say(member: Member, watcher: Watcher, count: number, random: Random): void {
    const { client } = watcher;
    for (let i = 0; i < count; i++) {
      // Under CURVE it would end the connection, and with it what is still under way.
      const isTooLarge = random.chance(0.02) && !this.plan.hasCurve;
      const size = isTooLarge ? this.plan.maxMessageBytes : random.pick(this.plan.sizes);
      const text = textOf(watcher.from, watcher.sent + 1, size);
      if (!isTooLarge && text.length > this.plan.maxMessageBytes) continue;
      try {
        if (client instanceof PassiveMessageClient && random.chance(0.3)) this.#publish(member, client, text);
        else client.sendJsonMessage(text);
        watcher.sent++;
        if (!isTooLarge) watcher.fit++;
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
        return;
      }
    }
    const stats = client.stats();
    if (stats.sent !== watcher.sent || stats.sent !== stats.written + stats.queued + stats.lost) {
      this.world.fail(`${member.name} counts ${JSON.stringify(stats)} after it sent ${watcher.sent}`);
    }
  }

  #publish(member: Member, client: PassiveMessageClient, text: string): void {
    const { world, model } = this;
    const receipt = client.publish([text]);
    const end = new AbortController();
    setTimeout(() => end.abort(), 5000);
    void receipt.told(end.signal).then((position) => {
      if (position === undefined) return;
      const place = client.feed.place(position);
      const [epoch, seq] = place.split(".");
      if (model.lives.get(epoch!)?.texts[Number(seq) - 1] !== text) {
        const at = [...model.lives.values()].map(({ epoch, texts }) => `${epoch}.${texts.indexOf(text) + 1}`);
        world.fail(
          `${member.name} was told that its message is at ${place}, where it is not; it is at ${
            at.join(" or ")
          }`,
        );
      }
    });
  }

  // What befalls them.

  #fault({ fault, number }: Event): void {
    const { world, net } = this;
    const random = world.stream(`event ${number}`);
    const victims = this.#members.filter((member) => !member.isCalm && member.watcher !== undefined);
    const member = victims.length === 0 ? undefined : random.pick(victims);
    const sockets = member === undefined || !member.process.isAlive ? [] : net.of(member.process);
    const socket = sockets.length === 0 ? undefined : random.pick(sockets);
    world.note("fault", member?.name ?? "", `${number}: ${fault}`);
    switch (fault) {
      case "reset":
        return socket && net.reset(socket);
      case "cut":
        return socket && net.cut(socket);
      case "stall":
        return socket && net.stall(socket, random.between(1, 5000));
      case "stop a client":
        return member && this.#stop(member.process, random.between(1, 8000));
      case "stop the broker":
        return this.#stop(this.#broker, random.pick([random.int(50), random.int(3000)]));
      case "kill a client":
        return member && this.#kill(member, random);
      case "kill the broker": {
        if (!this.#broker.isAlive) return;
        world.kill(this.#broker);
        net.close(this.#broker);
        world.after(random.pick([0, random.int(3000)]), undefined, "return", () => this.#return());
        return;
      }
      case "restart the broker": {
        if (!this.#broker.isAlive || this.#broker.isStopped) return;
        const { disk } = this.#disks.at(-1) ?? {};
        const [broker, server, gateway] = [this.#broker, this.#server, this.#gateway];
        world.in(broker, () => {
          const web = gateway?.process === broker ? gateway.handler.close({ lingerMs: 500 }) : undefined;
          void Promise.resolve(web).then(() => server.close()).then(() => disk?.recorder.end()).then(() => {
            world.kill(broker);
            net.close(broker);
            world.after(random.int(500), undefined, "return", () => this.#return());
          });
        });
        return;
      }
      case "kill the gateway": {
        const process = this.#gateway?.process;
        if (process === undefined || !process.isAlive) return;
        world.kill(process);
        net.close(process);
        world.after(random.int(2000), undefined, "gateway", () => this.#beginGateway());
        return;
      }
      case "slow disk":
      case "full disk":
      case "a Worker dies": {
        const { disk } = this.#disks.at(-1)!;
        if (!this.#broker.isAlive || this.#broker.isStopped) return;
        if (fault === "slow disk") disk.slowMs = random.pick([0.1, 5, 50, 1000]);
        else if (fault === "full disk") disk.isFull = !disk.isFull;
        else world.in(this.#broker, () => disk.die());
        return;
      }
      case "refuse dials":
      case "silent dials":
        this.#dials = fault === "refuse dials" ? "refused" : "silent";
        world.after(random.int(2000), undefined, "dials", () => void (this.#dials = "fine"));
        return;
      case "failing accepts":
        this.#acceptsFail = true;
        world.after(random.int(1000), undefined, "accepts", () => void (this.#acceptsFail = false));
        return;
      case "clock jump": {
        const process = member !== undefined && random.chance(0.5) ? member.process : this.#broker;
        process.clockAheadMs += random.between(-1e7, 1e7);
        return;
      }
      case "pause":
        this.#server.pause = true;
        world.after(random.int(1000), undefined, "no pause", () => void (this.#server.pause = false));
    }
  }

  #stop(process: Process, ms: number): void {
    this.world.stop(process);
    this.world.after(ms, undefined, "continue", () => this.world.goOn(process));
  }

  #kill(member: Member, random: Random): void {
    const { world, net } = this;
    const { watcher, process } = member;
    if (watcher === undefined || !process.isAlive) return;
    const { place } = watcher.client;
    if (random.chance(0.5)) {
      world.kill(process);
      net.close(process);
    } else if (!process.isStopped) {
      world.in(process, () => void watcher.client.close());
    }
    member.watcher = undefined;
    // Its next life goes on where this one was, as far as a file would tell.
    const since = place !== undefined && random.chance(0.7) ? place : random.pick(["now", "earliest"]);
    world.after(random.int(3000), undefined, "come back", () => {
      world.kill(process);
      net.close(process);
      this.#join(member, since);
    });
  }

  #return(): void {
    if (!this.#broker.isAlive) this.#begin();
  }

  #heal(): void {
    const { world } = this;
    this.#isHealed = true;
    this.#dials = "fine";
    this.#acceptsFail = false;
    for (const { end, process } of this.#hostile) {
      world.in(process, () => end.abort());
      world.kill(process);
      this.net.close(process);
    }
    world.goOn(this.#broker);
    for (const { process } of this.#members) world.goOn(process);
    for (const socket of this.net.sockets) socket.manners = CALM;
    for (const visitor of this.#visitors) visitor.isSlow = false;
    this.#server.pause = false;
    for (const { disk } of this.#disks) [disk.slowMs, disk.isFull] = [0.1, false];
  }

  // What must be true.

  #look(): void {
    const { world, model } = this;
    if (!this.#broker.isAlive || this.#broker.isStopped) return;
    const { feed } = this.#server;
    if (feed.epoch !== model.life.epoch || feed.position !== model.life.texts.length) {
      world.fail(
        `the broker is at ${feed.place(feed.position)} and accepted ${model.life.texts.length} messages`,
      );
    }
    if (world.steps % 64 !== 0) return;
    const { memory, subscribers } = this.#server.stats();
    if (memory!.usedBytes > memory!.limitBytes + SLACK_BYTES || memory!.usedBytes < 0) {
      world.fail(`the broker uses ${memory!.usedBytes} bytes of ${memory!.limitBytes}`);
    }
    const slowest = this.#options.slowestReader!;
    for (const { address, role, waitedMs, messages, bytes } of this.#server.connections()) {
      // What it took earned it time, as the slowest reader would have needed it.
      const earnedMs = slowest === 0 ? 0 : PATIENCE_MS + (1000 * messages + bytes + BATCH_BYTES) / slowest;
      if (role === "listen" && waitedMs > earnedMs) {
        world.fail(
          `senders waited ${waitedMs} ms for ${address}, which took ${messages} messages, ${bytes} bytes`,
        );
      }
    }
    const most = this.#options.subscriberQueue?.bytes ?? 67_108_864;
    for (const { queuedBytes, queuedMessages, address } of subscribers!.subscribers) {
      if (queuedBytes > most + SLACK_BYTES || queuedBytes < 0 || queuedMessages < 0) {
        world.fail(
          `${queuedMessages} messages, ${queuedBytes} bytes wait for ${address}, the limit is ${most}`,
        );
      }
    }
  }

  #sayLast(): void {
    const { world } = this;
    for (const member of this.#members) {
      const { watcher, process } = member;
      if (watcher === undefined) {
        world.fail(`${member.name} is not there`);
        continue;
      }
      world.in(process, () => {
        const { client } = watcher;
        if (!client.isReceiving || !client.isSending) {
          return world.fail(`${process.name} is not back ${RECOVERY_MS / 1000} s after the faults ended`);
        }
        const { queued } = client.stats();
        if (queued > 0) return world.fail(`${process.name} still has ${queued} messages to send`);
        client.sendJsonMessage(textOf(watcher.from, ++watcher.sent, 0));
        watcher.fit++;
      });
    }
  }

  #expectAllHeard(): void {
    const { epoch, texts } = this.model.life;
    if (this.world.failure !== undefined) return;
    this.#checkPlain();
    for (const { name, place } of this.#visitors) {
      if (place !== `${epoch}.${texts.length}`) {
        return this.world.fail(`${name} is at ${place}, the broker at ${epoch}.${texts.length}`);
      }
    }
    for (const { watcher, isCalm, name } of this.#members) {
      watcher!.expectAt(epoch, texts.length);
      const accepted = this.model.accepted.get(watcher!.from);
      if (accepted?.last !== watcher!.sent) {
        this.world.fail(
          `the last message of ${name} is not on the bus: ${accepted?.last} of ${watcher!.sent}`,
        );
      }
      if (isCalm && this.plan.isFair && accepted!.count !== watcher!.fit) {
        this.world.fail(
          `${name} sent ${watcher!.fit} messages, and the broker has ${accepted!.count} of them; ` +
            `it counts ${JSON.stringify(watcher!.client.stats())} and has numbers ${
              [...accepted!.numbers].join()
            }`,
        );
      }
      if (watcher!.client instanceof PassiveMessageClient) this.#checkFeed(name, watcher!.client);
    }
  }

  /** What a client remembers is what the broker accepted, at the same places, with holes of the right size. */
  #checkFeed(name: string, { feed }: PassiveMessageClient): void {
    const { world, model } = this;
    for (let at = Math.max(0, feed.oldest - 1); at < feed.position;) {
      const slice = feed.after(at, 100);
      const size = slice.entries.length;
      if (size === 0 && slice.position === at) return world.fail(`${name} cannot read its feed after ${at}`);
      if (slice.missed !== null && slice.position !== at + slice.missed + size) {
        return world.fail(
          `${name} read ${size} after ${at}, told of ${slice.missed} missing, and is at ${slice.position}`,
        );
      }
      for (const { position, text } of slice.entries) {
        const place = feed.place(position);
        const [epoch, seq] = place.split(".");
        if (model.lives.get(epoch!)?.texts[Number(seq) - 1] !== text) {
          return world.fail(`${name} remembers another message at ${place} than the broker accepted`);
        }
      }
      at = slice.position;
    }
  }

  /** The visitors leave, and nothing of them stays. */
  #closeGateway(): void {
    const { world } = this;
    for (const visitor of this.#visitors) visitor.isLeaving = true;
    if (this.#gateway === undefined) return;
    const { process, handler, client } = this.#gateway;
    world.run(10_000);
    world.in(process, () => {
      const waiting = Object.entries(handler.stats().waiting).filter(([, count]) => count !== 0);
      if (waiting.length > 0) world.fail(`there still wait at the gateway: ${waiting.join(" ")}`);
      void handler.close().then(() => client?.close());
    });
  }

  #end(): void {
    const { world, net, model } = this;
    if (world.failure !== undefined) return;
    for (const { process, watcher } of this.#members) world.in(process, () => void watcher!.client.close());
    for (const { process, close } of this.#plain) world.in(process, () => void close());
    this.#closeGateway();
    world.run(10_000);
    const before = this.#server.stats();
    const { connections } = before.subscribers!;
    if (connections + before.senders!.connections > 0) {
      world.fail(`${connections} subscribers and ${before.senders!.connections} senders are left`);
    }
    const { usedBytes } = before.memory!;
    const { bytes } = this.#server.feed.held;
    // A block of the arena is held as long as one message in it is, and has an end that no message fitted in.
    if (usedBytes > 1.5 * bytes + SLACK_BYTES) world.fail(`${usedBytes} bytes are in use, ${bytes} are held`);
    if (world.failure !== undefined) return;
    const disk = this.#disks.at(-1)?.disk;
    world.in(this.#broker, () => void this.#server.close().then(() => disk?.recorder.end()));
    world.run(10_000);
    for (const { disk, epoch } of this.#disks) {
      if (disk.recorder.stats().state === "ended") disk.checkEnd(model.lives.get(epoch)!);
      else disk.check(model.lives.get(epoch)!);
    }
    if (disk !== undefined && disk.recorder.stats().state !== "ended") {
      world.fail("the recorder has not ended");
    }
    if (net.sockets.size > 0) world.fail(`${net.sockets.size} sockets are left`);
    if (net.listeners.size > 0) world.fail(`${net.listeners.size} listeners are left`);
    const left = world.pending().filter(({ process }) => !process!.name.startsWith("hostile"));
    if (left.length > 0) {
      world.fail(
        `${left.length} timers are left: ${
          left.map(({ what, process }) => `${what} of ${process!.name}`).join(", ")
        }`,
      );
    }
  }
}

/** It answers to whoever asks. */
const WEB_OPTIONS: GatewayOptions = { log: () => {}, maxQueuedBytes: 65_536 };
/** It may have taken so much of what is being written, which counts as written when all of it is. */
const BATCH_BYTES = 320_000;
/** Whoever takes nothing is waited for a tenth of a second, and one look longer. */
const PATIENCE_MS = 150;
/** Blocks of the arena, notes, what is being read. */
const SLACK_BYTES = 600_000;
