/**
 * One world from one seed: who is in it, what befalls them, and whether the bus keeps its promises.
 *
 * @module
 */
import { enter } from "./globals.ts";
import { QueueFullError } from "../../base/errors.ts";
import { MessageServer, type MessageServerOptions } from "../../broker.ts";
import { MessageClient } from "../../bus/message_client.ts";
import { PassiveMessageClient } from "../../bus/passive_client.ts";
import { zmtp } from "../../zmtp/mod.ts";
import { attack } from "./hostile.ts";
import { Model, PlainWatcher, textOf, Watcher } from "./model.ts";
import { type Manners, Net } from "./net.ts";
import { Random } from "./random.ts";
import { Process, World } from "./world.ts";

/** What came of a world. */
export interface Outcome {
  readonly seed: number;
  /** What went wrong first; undefined: nothing. */
  readonly failure: string | undefined;
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
/** Of a text beside its padding. */
const TEXT_BYTES = 80;

/** What may befall them. */
const FAULTS = [
  "reset",
  "cut",
  "stall",
  "stop a client",
  "stop the broker",
  "kill a client",
  "kill the broker",
  "restart the broker",
  "refuse dials",
  "silent dials",
  "failing accepts",
  "clock jump",
  "pause",
] as const;

/** What ends even the connection of those whom nothing befalls. */
const UNFAIR: readonly (typeof FAULTS[number])[] = [
  "stop the broker",
  "kill the broker",
  "restart the broker",
  "failing accepts",
  "pause",
];

/** One that takes part. */
interface Member {
  readonly name: string;
  readonly isPassive: boolean;
  /** Nothing befalls it. */
  readonly isCalm: boolean;
  readonly manners: Manners;
  readonly heartbeatMs: number;
  life: number;
  process: Process;
  watcher: Watcher | undefined;
}

/** Runs the world of a seed to its end. */
export function simulate(seed: number, trace?: (line: string) => void): Outcome {
  const world = new World(new Random(seed));
  world.trace = trace;
  const scenario = new Scenario(world);
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
  readonly #random: Random;
  readonly #options: MessageServerOptions;
  readonly #members: Member[] = [];
  readonly #hostile: { readonly process: Process; readonly end: AbortController }[] = [];
  readonly #plain: Plain[] = [];
  readonly #faults: readonly (typeof FAULTS[number])[];
  readonly #maxMessageBytes: number;
  readonly #sizes: readonly number[];
  readonly #busyness: number;
  readonly #durationMs: number;
  readonly #faultEveryMs: number;
  readonly #room: "much" | "enough" | "little";
  #broker!: Process;
  #server!: MessageServer;
  #brokerLives = 0;
  #isHealed = false;
  #spoken = 0;
  #dials: "fine" | "refused" | "silent" = "fine";
  #acceptsFail = false;

  constructor(world: World) {
    this.world = world;
    this.model = new Model(world);
    const random = this.#random = world.random.fork();
    this.net = new Net(world, (process) => this.#mannersOf(process));
    this.net.judgeDial = (process) => this.#isCalm(process) ? "fine" : this.#dials;
    this.model.linesOf = (from) => {
      const sender = this.#members.find(({ watcher }) => watcher?.from === from)?.process;
      const lines = this.net.of(this.#broker).filter(({ localAddr, peer }) =>
        localAddr.port === RECEIVE && peer.process === sender
      );
      return sender === undefined ? 2 : lines.length;
    };
    this.net.failsAccept = () => this.#acceptsFail && random.chance(0.3);
    enter(world, this.net);

    const hasHeartbeats = random.chance(0.7);
    const wanted = FAULTS.filter(() => random.chance(0.4));
    // Without heartbeats nobody can know that a peer is no more.
    this.#faults = hasHeartbeats ? wanted : wanted.filter((fault) => fault !== "cut");
    this.#maxMessageBytes = random.pick([400, 2000, 20_000]);
    this.#sizes = [0, 20, random.int(this.#maxMessageBytes - TEXT_BYTES)];
    this.#busyness = random.pick([1, 3, 10, 40]);
    this.#durationMs = random.between(3000, 25_000);
    this.#faultEveryMs = random.pick([100, 400, 1500, 4000]);
    this.#room = random.pick(["much", "enough", "little", "little"]);
    const bytes = (least: number) => this.#maxMessageBytes + 9 + random.int(least);
    this.#options = {
      broadcastPort: BROADCAST,
      receivePort: RECEIVE,
      maxMessageBytes: this.#maxMessageBytes,
      heartbeatMs: hasHeartbeats ? random.pick([300, 1000, 2000]) : 0,
      handshakeTimeoutMs: 2000,
      messageTimeoutMs: random.pick([1000, 5000]),
      slowestReader: random.pick([0, 1000, 10_000]),
      lingerMs: random.pick([0, 200, 1000]),
      ...(this.#room === "much" ? {} : this.#room === "enough" ? { history: { bytes: ENOUGH_BYTES } } : {
        subscriberQueue: { messages: random.pick([1, 8, 60, 1000]), bytes: bytes(100_000) },
        history: {
          messages: random.pick([0, 1, 10, 200, 5000]),
          bytes: random.pick([0, bytes(1000), bytes(200_000)]),
          maxAgeMs: random.pick([0, 0, 50, 2000]),
        },
        memoryBudgetBytes: random.pick([2 ** 30, Math.max(400_000, 4 * this.#maxMessageBytes)]),
      }),
    };
    const members = 2 + random.int(5);
    for (let i = 0; i < members; i++) {
      const isCalm = random.chance(0.3);
      const name = `${isCalm ? "calm" : "client"}-${i}`;
      this.#members.push({
        name,
        isPassive: random.chance(0.4),
        isCalm,
        manners: isCalm ? (random.chance(0.5) ? CALM : STEADY) : this.#makeManners(),
        heartbeatMs: hasHeartbeats ? random.pick([300, 1000, 2000]) : 0,
        life: 0,
        process: new Process(name),
        watcher: undefined,
      });
    }
    if (random.chance(0.4)) {
      for (let i = 0; i <= random.int(3); i++) {
        this.#hostile.push({ process: new Process(`hostile-${i}`), end: new AbortController() });
      }
    }
  }

  run(): void {
    const { world } = this;
    const random = this.#random;
    this.#begin();
    for (const member of this.#members) {
      world.after(
        this.#random.chance(0.7) ? 0 : this.#random.int(3000),
        undefined,
        "join",
        () => this.#join(member, "now"),
      );
      this.#act(member);
    }
    for (const { process, end } of this.#hostile) {
      const random = this.#random.fork();
      world.after(
        random.int(1000),
        process,
        "attack",
        () => void attack({ broadcast: BROADCAST, receive: RECEIVE }, random, end.signal),
      );
    }
    for (let i = 0; i < random.int(3); i++) {
      const manners = this.#isFair && random.chance(0.5) ? CALM : this.#makeManners();
      world.after(random.int(1000), undefined, "join", () => this.#joinPlain(`plain-${i}`, manners));
    }
    if (this.#isFair && this.#room === "enough" && random.chance(0.5)) {
      world.after(random.between(2000, this.#durationMs), undefined, "flood", () => this.#flood());
    }
    this.#speak();
    this.#befall();
    world.run(this.#durationMs, () => this.#look());
    this.#heal();
    world.run(RECOVERY_MS, () => this.#look());
    this.#sayLast();
    world.run(2000, () => this.#look());
    this.#expectAllHeard();
    this.#end();
  }

  // Who is there.

  #begin(): void {
    const { world, model } = this;
    this.#broker = new Process(`broker-${this.#brokerLives++}`);
    world.in(this.#broker, () => {
      const server = this.#server = new MessageServer(this.#options);
      model.begin(server.feed.epoch);
      server.addEventListener("message", ({ text }) => model.accept(text));
    });
  }

  #join(member: Member, since: string): void {
    const { world, model } = this;
    if (member.life > 0) member.process = new Process(`${member.name}.${member.life}`);
    const from = `${member.name}.${member.life++}`;
    const random = this.#random;
    world.in(member.process, () => {
      const options = {
        ...ADDRESSES,
        since,
        name: member.name,
        // Now and then a client sends what is too large for the broker, and hears that it was refused.
        maxMessageBytes: 2 * this.#maxMessageBytes + 200,
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
      member.watcher.mustMissNothing = member.isCalm && this.#isFair;
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
      if (manners === CALM && this.#isFair && watcher.missed > 0) {
        this.world.fail(`${process.name} keeps the pace, and missed ${watcher.missed} messages`);
      }
    }
  }

  /** Is there room for what those who keep the pace have to hear, and nothing that ends their connections? */
  get #isFair(): boolean {
    if (this.#room === "little" || this.#options.slowestReader === 0) return false;
    return !UNFAIR.some((fault) => this.#faults.includes(fault));
  }

  #makeManners(): Manners {
    const random = this.#random;
    const min = random.pick([0, 0.1, 2]);
    return {
      latencyMs: [min, min + random.pick([0.1, 3, 60])],
      capacity: Math.max(this.#maxMessageBytes >> 4, random.pick([200, 4000, 65_536, 1_000_000])),
      pieces: random.pick(["whole", "any", "any", this.#maxMessageBytes > 2000 ? "any" : "tiny"]),
      readPauseMs: random.pick([0, 0, 0, 1, 20, 300]),
    };
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

  #act(member: Member): void {
    const random = this.#random;
    const ms = random.between(5, 2000) / this.#busyness;
    this.world.after(ms, undefined, "act", () => {
      if (this.#isHealed) return;
      this.#act(member);
      const { process, watcher } = member;
      if (watcher === undefined || !process.isAlive || process.isStopped) return;
      this.world.in(
        process,
        () => this.#say(member, watcher, random.chance(0.1) ? random.int(100) : 1 + random.int(3)),
      );
    });
  }

  /** One sends more at once than the window holds. */
  #flood(): void {
    const member = this.#members.find(({ isCalm, watcher, process }) =>
      isCalm && watcher !== undefined && process.isAlive
    );
    if (member === undefined || this.#isHealed) return;
    const { process, watcher } = member;
    const size = Math.min(2000, this.#maxMessageBytes - TEXT_BYTES);
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
  #speak(): void {
    const { world, model } = this;
    const random = this.#random;
    world.after(random.between(5, 4000) / this.#busyness, undefined, "speak", () => {
      if (this.#isHealed) return;
      this.#speak();
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

  #say(member: Member, watcher: Watcher, count: number): void {
    const random = this.#random;
    const { client } = watcher;
    for (let i = 0; i < count; i++) {
      const isTooLarge = random.chance(0.02);
      const size = isTooLarge ? this.#maxMessageBytes : random.pick(this.#sizes);
      const text = textOf(watcher.from, watcher.sent + 1, size);
      if (!isTooLarge && text.length > this.#maxMessageBytes) continue;
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

  #befall(): void {
    const random = this.#random;
    this.world.after(random.between(0, 2 * this.#faultEveryMs), undefined, "fault", () => {
      if (this.#isHealed) return;
      this.#befall();
      if (this.#faults.length > 0) this.#fault(random.pick(this.#faults));
    });
  }

  #fault(fault: typeof FAULTS[number]): void {
    const { world, net } = this;
    const random = this.#random;
    const victims = this.#members.filter((member) => !member.isCalm && member.watcher !== undefined);
    const member = victims.length === 0 ? undefined : random.pick(victims);
    const sockets = member === undefined || !member.process.isAlive ? [] : net.of(member.process);
    const socket = sockets.length === 0 ? undefined : random.pick(sockets);
    world.note("fault", member?.name ?? "", fault);
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
        return member && this.#kill(member);
      case "kill the broker": {
        if (!this.#broker.isAlive) return;
        world.kill(this.#broker);
        net.close(this.#broker);
        world.after(random.pick([0, random.int(3000)]), undefined, "return", () => this.#return());
        return;
      }
      case "restart the broker": {
        if (!this.#broker.isAlive || this.#broker.isStopped) return;
        const [broker, server] = [this.#broker, this.#server];
        world.in(broker, () => {
          void server.close().then(() => {
            world.kill(broker);
            net.close(broker);
            world.after(random.int(500), undefined, "return", () => this.#return());
          });
        });
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

  #kill(member: Member): void {
    const { world, net } = this;
    const random = this.#random;
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
    this.#server.pause = false;
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
    for (const { watcher, isCalm, name } of this.#members) {
      watcher!.expectAt(epoch, texts.length);
      const accepted = this.model.accepted.get(watcher!.from);
      if (accepted?.last !== watcher!.sent) {
        this.world.fail(
          `the last message of ${name} is not on the bus: ${accepted?.last} of ${watcher!.sent}`,
        );
      }
      if (isCalm && this.#isFair && accepted!.count !== watcher!.fit) {
        this.world.fail(
          `${name} sent ${watcher!.fit} messages, and the broker has ${accepted!.count} of them`,
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

  #end(): void {
    const { world, net } = this;
    if (world.failure !== undefined) return;
    for (const { process, watcher } of this.#members) world.in(process, () => void watcher!.client.close());
    for (const { process, close } of this.#plain) world.in(process, () => void close());
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
    world.in(this.#broker, () => void this.#server.close());
    world.run(10_000);
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

/** Slower than senders, and faster than the slowest reader that is waited for. */
const STEADY: Manners = { latencyMs: [0.5, 1], capacity: 65_536, pieces: "any", readPauseMs: 0 };
/** Whoever is connected like this loses nothing by its own fault. */
const CALM: Manners = { latencyMs: [0.05, 0.2], capacity: 1_000_000, pieces: "any", readPauseMs: 0 };
/** It may have taken so much of what is being written, which counts as written when all of it is. */
const BATCH_BYTES = 320_000;
/** Whoever takes nothing is waited for a tenth of a second, and one look longer. */
const PATIENCE_MS = 150;
/** A quarter of it and one read of 256 KiB fit in, so that senders can be made to wait before it is full. */
const ENOUGH_BYTES = 1_500_000;
/** Blocks of the arena, notes, what is being read. */
const SLACK_BYTES = 600_000;
