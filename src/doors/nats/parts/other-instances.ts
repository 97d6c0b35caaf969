/** The other instances of this service, as their latest beats describe them. */
import type { Subscription } from "@nats-io/transport-node";
import type { Limits } from "../../../limits/limits.js";
import { readBeat, type Beat, type InstanceState } from "../../../nats/beat.js";
import type { Broker } from "../../../nats/broker.js";
import { Rate } from "../../../nats/rate.js";
import { subjects } from "../../../nats/subjects.js";

/** For how long an instance that has taken a request counts as proven. */
const trustedMs = 60_000;

interface Heard {
  readonly beat: Beat;
  readonly atMs: number;
}

export class OtherInstances {
  readonly #broker: Broker;
  readonly #own: string;
  readonly #limits: Pick<Limits, "natsGoneMs" | "natsMaxInstances" | "natsHandOverMs">;
  readonly #changed = new Set<() => void>();
  readonly #trusted = new Map<string, number>();
  readonly #subscription: Subscription;
  readonly #unlisten: () => void;
  readonly #beats: Rate;
  /** When a beat was last dropped in a flood. Until `natsGoneMs` later, silence proves nothing. */
  #droppedAtMs = Number.NEGATIVE_INFINITY;
  /** Since when beats are heard without a gap. */
  #sinceMs = performance.now();
  readonly #heard = new Map<string, Heard>();

  constructor(
    broker: Broker,
    service: string,
    own: string,
    limits: Pick<Limits, "natsGoneMs" | "natsMaxInstances" | "natsHandOverMs">,
  ) {
    this.#broker = broker;
    this.#own = own;
    this.#limits = limits;
    // Each instance tells of itself every second, and when its state changes.
    this.#beats = new Rate(2 * limits.natsMaxInstances);
    this.#subscription = broker.subscribe(subjects.beat(service), ({ data }) => this.#hear(data));
    this.#unlisten = broker.listen({
      back: () => {
        this.#sinceMs = performance.now();
        void this.#ask(service);
      },
    });
    void this.#ask(service);
  }

  /** Instances that were here before tell of themselves only every second, so they are asked. */
  async #ask(service: string): Promise<void> {
    const askedAtMs = performance.now();
    try {
      const options = { strategy: "stall", maxWait: this.#limits.natsHandOverMs } as const;
      for await (const { data } of await this.#broker.connection.requestMany(subjects.who(service), "", options))
        this.#hear(data, askedAtMs);
    } catch {
      // No instance is there, or the broker is gone again. Instances that do not answer now are heard of by their beats.
    }
  }

  /**
   * @param askedAtMs the beat answers a question of this time. Answers come through an iterator, and so may be read later
   *   than beats that were sent after them
   */
  #hear(data: Uint8Array, askedAtMs?: number): void {
    if (!this.#beats.take()) {
      this.#droppedAtMs = performance.now();
      return;
    }
    const beat = readBeat(data);
    // Such a message came from somebody who is no instance, or from a later version.
    if (beat === undefined) return;
    if (beat.instance === this.#own) return;
    const before = this.#heard.get(beat.instance);
    if (before !== undefined && askedAtMs !== undefined && before.atMs >= askedAtMs) return;
    if (before === undefined && this.#heard.size >= this.#limits.natsMaxInstances) this.#forgetGone();
    if (before === undefined && this.#heard.size >= this.#limits.natsMaxInstances) return;
    // Anybody could have sent a beat with the state `left`, so an instance is gone only when it is silent.
    this.#heard.set(beat.instance, { beat, atMs: performance.now() });
    if (before?.beat.state !== beat.state) for (const changed of this.#changed) changed();
  }

  #forgetGone(): void {
    const sinceMs = performance.now() - this.#limits.natsGoneMs;
    if (this.#droppedAtMs > sinceMs) return;
    for (const [instance, { atMs }] of this.#heard) if (atMs < sinceMs) this.#forget(instance);
  }

  /** The instance has shown that it is one. A beat does not show that, because anybody who may publish there can send it. */
  trust(instance: string): void {
    const isNew = !this.isTrusted(instance);
    if (this.#heard.has(instance)) this.#trusted.set(instance, performance.now() + trustedMs);
    if (isNew) for (const changed of this.#changed) changed();
  }

  isTrusted(instance: string): boolean {
    return (this.#trusted.get(instance) ?? 0) > performance.now();
  }

  /**
   * Calls the listener when an instance is new, newly trusted, or has another state than before. Returns a function
   * that ends the listening.
   */
  listen(changed: () => void): () => void {
    this.#changed.add(changed);
    return () => this.#changed.delete(changed);
  }

  #forget(instance: string): void {
    this.#heard.delete(instance);
    this.#trusted.delete(instance);
  }

  /** The latest beats of the instances that are there. */
  get all(): readonly Beat[] {
    this.#forgetGone();
    return [...this.#heard.values()].map(({ beat }) => beat).filter(({ state }) => state !== "left");
  }

  /**
   * `gone`: nothing was heard of the instance for `natsGoneMs`. `unknown`: we have not listened for so long yet, or the
   * instance says that it has left.
   */
  presenceOf(instance: string): "there" | "gone" | "unknown" {
    this.#forgetGone();
    if (instance === this.#own) return "there";
    const heard = this.#heard.get(instance);
    if (heard !== undefined) return heard.beat.state === "left" ? "unknown" : "there";
    const hasListened = Math.max(this.#sinceMs, this.#droppedAtMs) < performance.now() - this.#limits.natsGoneMs;
    return hasListened ? "gone" : "unknown";
  }

  close(): void {
    this.#unlisten();
    if (!this.#broker.connection.isClosed()) this.#subscription.unsubscribe();
  }
}

/** Instances that can begin a run at once, the one with the most room first. */
export function withRoom(beats: readonly Beat[], tried: readonly string[]): readonly Beat[] {
  return openFor(beats, ["ready"]).filter(({ instance }) => !tried.includes(instance));
}

/** Instances in one of these states, the one with the most room first. */
export function openFor(beats: readonly Beat[], states: readonly InstanceState[]): readonly Beat[] {
  const share = ({ running, waiting, places }: Beat): number => (running + waiting) / Math.max(1, places);
  return beats.filter(({ state }) => states.includes(state)).sort((a, b) => share(a) - share(b));
}

/**
 * Says whether an instance must take requests from the queue group. A full instance leaves them to those that have
 * room. When all are full, the one with the lowest id stays in the group, because a group of nobody refuses everything.
 */
export function belongsToGroup(own: Beat, others: readonly Beat[]): boolean {
  if (own.state === "draining" || own.state === "left") return false;
  if (own.state === "ready" || !others.some(({ state }) => state === "ready")) return true;
  const open = others.filter(({ state }) => state === "ready" || state === "full");
  return open.every(({ instance }) => own.instance < instance);
}
