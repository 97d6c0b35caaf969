/** The instances of a service on a broker. */
import { randomBytes } from "node:crypto";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { checkCleartext, parseServiceAddress } from "../../nats/address.js";
import { readBeat } from "../../nats/beat.js";
import { Broker } from "../../nats/broker.js";
import type { NatsCredentials } from "../../nats/credentials.js";
import { LinkDialler } from "../../nats/links/dialler.js";
import { durableState, submitDurable } from "../../nats/queue/durable.js";
import { subjects } from "../../nats/subjects.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { encodeJson } from "../../wire/json.js";
import { packageVersion } from "../../version.js";
import type { DurableCalls, Service, ServiceListener } from "./service.js";

export interface ServiceOptions {
  readonly credentials: NatsCredentials;
  readonly limits: Limits;
  readonly signal?: AbortSignal | undefined;
  /** As for `connect`. Default: false. */
  readonly allowCleartext?: boolean | undefined;
}

/** @throws IscepError `usage`, and as `Broker.open` */
export async function openService(url: string, options: ServiceOptions): Promise<Service> {
  const { credentials, limits, signal, allowCleartext = false } = options;
  const address = parseServiceAddress(url);
  // This check comes before anything is sent, because the first message to a broker contains the password.
  checkCleartext(address, (credentials.tls ?? false) !== false, allowCleartext);
  const name = `iscep ${packageVersion} client of ${address.service}`;
  const broker = await Broker.open({ ...credentials, address, name, limits, signal });
  return new BrokerService(broker, address.service, limits, credentials.inboxPrefix);
}

class BrokerService implements Service {
  readonly carrier = "nats";
  readonly name: string;
  readonly #broker: Broker;
  readonly #links: LinkDialler;
  readonly #limits: Limits;
  readonly #inbox: string;
  #listener: ServiceListener | undefined;
  /** The answers to the newest question. */
  #answers: Answers | undefined;

  constructor(broker: Broker, name: string, limits: Limits, inboxPrefix: string | undefined) {
    this.name = name;
    this.#broker = broker;
    this.#limits = limits;
    this.#links = new LinkDialler(broker, name, limits, inboxPrefix);
    this.#inbox = `${inboxPrefix ?? "_INBOX"}.${randomBytes(16).toString("hex")}`;
  }

  get durable(): DurableCalls {
    return {
      submit: (command, args, { timeoutMs, idempotencyKey, traceparent }, token) => {
        const payload = encodeJson(args ?? {}, this.#limits, "args") ?? "{}";
        const headers = {
          ...(timeoutMs === undefined ? {} : { "Iscep-Timeout": String(timeoutMs) }),
          ...(idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey }),
        };
        const call = { service: this.name, command, payload, token, headers, traceparent };
        return submitDurable(this.#broker, call, this.#limits);
      },
      state: (run, token) => durableState(this.#broker, this.name, run, this.#limits, token),
    };
  }

  listen(listener: ServiceListener): void {
    this.#listener = listener;
    this.#broker.subscribe(subjects.beat(this.name), ({ data }) => this.#told(data));
    this.#broker.subscribe(this.#inbox, ({ data, headers }) => {
      // The broker answers with this code when nobody listens there (ADR-17 of NATS).
      if (headers?.code === 503) this.#answers?.nobody();
      else {
        this.#told(data);
        this.#answers?.came();
      }
    });
    this.#broker.listen({
      lost: (error) => listener.lost(error),
      back: () => listener.back(),
    });
  }

  /** A message that is no beat comes from somebody else who may publish there, and is ignored. */
  #told(data: Uint8Array): void {
    const beat = readBeat(data);
    if (beat !== undefined) this.#listener?.beat(beat);
  }

  unreachable(): IscepError | undefined {
    if (this.#broker.isConnected) return undefined;
    return new IscepError("connect_failed", `the broker at ${this.#broker.where} is not there now`);
  }

  async ask(): Promise<boolean> {
    if (!this.#broker.isConnected) return false;
    const answers = (this.#answers = new Answers(this.#limits.natsGoneMs / 4));
    this.#broker.publish(subjects.who(this.name), "", this.#inbox);
    return answers.over();
  }

  dial(instance: string): ByteStream {
    return this.#links.open(instance);
  }

  async close(): Promise<void> {
    this.#answers?.nobody();
    this.#links.close();
    await this.#broker.close();
  }
}

/** After each answer, the next one has at least this time, or twice the time that the first one took. */
const leastQuietMs = 25;

/** The answers to one question. Their number is not known before. */
class Answers {
  readonly #askedAtMs = performance.now();
  readonly #endsAtMs: number;
  #quietMs = leastQuietMs;
  #lastAtMs: number | undefined;
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(mostMs: number) {
    this.#endsAtMs = this.#askedAtMs + mostMs;
  }

  came(): void {
    const nowMs = performance.now();
    if (this.#lastAtMs === undefined) this.#quietMs = Math.max(leastQuietMs, 2 * (nowMs - this.#askedAtMs));
    this.#lastAtMs = nowMs;
  }

  /** Ends the wait: no instance is there that could answer, or the answers are not wanted any more. */
  nobody(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  /** Resolves when no more answers are expected; to false when there were none. */
  async over(): Promise<boolean> {
    while (!this.#isOver) {
      const endsAtMs = this.#lastAtMs === undefined ? this.#endsAtMs : this.#lastAtMs + this.#quietMs;
      const leftMs = Math.min(endsAtMs, this.#endsAtMs) - performance.now();
      if (leftMs <= 0) break;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        timer = setTimeout(resolve, Math.min(leftMs, this.#lastAtMs === undefined ? leastQuietMs : leftMs));
      });
      clearTimeout(timer);
    }
    return this.#lastAtMs !== undefined;
  }
}
