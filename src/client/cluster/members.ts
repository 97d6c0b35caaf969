/** The instances of a service that a client has heard of, for as long as it hears of them. */
import { setTimeout as pause } from "node:timers/promises";
import { within } from "../../waiting/within.js";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Beat } from "../../nats/beat.js";
import type { Version2ProtocolClient } from "../version2/protocol-client.js";
import { Member, type PauseLimits } from "./member.js";
import type { Service } from "./service.js";

/** How many new instances are asked for their proof at first. */
const provenAtOnce = 4;
/** A client that knows so many instances with room asks no further ones for their proof. */
const readyAtOnce = 8;

export interface MembersOptions {
  readonly service: Service;
  readonly limits: PauseLimits &
    Pick<Limits, "connectTimeoutMs" | "maxKnownInstances" | "natsGoneMs" | "natsStrangerMs">;
  open(member: Member): Version2ProtocolClient;
  /** A call would probably begin at once at this instance. */
  room(member: Member): void;
  lost(error: IscepError): void;
  back(): void;
}

export class Members implements Iterable<Member> {
  readonly #options: MembersOptions;
  readonly #members = new Map<string, Member>();
  readonly #sweep: NodeJS.Timeout;
  #sweptAtMs = performance.now();
  readonly #closed = new AbortController();
  /** Since when beats can be heard, by performance.now(). */
  #listensSinceMs = performance.now();
  #asking: Promise<unknown> | undefined;
  #gathering: Promise<void> | undefined;
  #wake: (() => void)[] = [];
  /** True once calls are made, because then it is worth knowing which instances answer. */
  #isUsed = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    const { service } = options;
    service.listen({
      beat: (beat) => this.#told(beat),
      lost: (error) => options.lost(error),
      back: () => {
        this.#listensSinceMs = performance.now();
        for (const member of this.#members.values()) {
          member.heardAtMs = this.#listensSinceMs;
          member.forgive();
        }
        options.back();
      },
    });
    this.#sweep = setInterval(() => this.#removeSilent(), this.#sweepMs);
    this.#sweep.unref();
    this.#ask();
  }

  [Symbol.iterator](): Iterator<Member> {
    return this.#members.values();
  }

  get size(): number {
    return this.#members.size;
  }

  find(instance: string): Member | undefined {
    return this.#members.get(instance);
  }

  /**
   * Anybody who may publish there can send any beat. So a beat ends no run, and never takes the place of a proven
   * instance.
   */
  #told(beat: Beat): void {
    if (this.#closed.signal.aborted) return;
    const { instance, state } = beat;
    let member = this.#members.get(instance);
    if (member === undefined) {
      if (state === "left" || !this.#makesRoom()) return;
      member = new Member(beat, this.#options.limits, (of) => this.#options.open(of));
      this.#members.set(instance, member);
    } else member.told(beat);
    for (const wake of this.#wake.splice(0)) wake();
    if (this.#isUsed) this.#proveOne();
    if (member.isProven && member.hasRoom) this.#options.room(member);
  }

  /** The instance that has been known longest without a proof makes room for a new one. */
  #makesRoom(): boolean {
    if (this.#members.size < this.#options.limits.maxKnownInstances) return true;
    for (const member of this.#members.values()) {
      if (member.isProven || member.own > 0) continue;
      this.#members.delete(member.instance);
      member.gone(new IscepError("connect_failed", `the instance ${member.instance} did not answer`));
      return true;
    }
    return false;
  }

  /**
   * Asks a new instance for its proof before calls need it, so that no call waits for an instance that never answers. A
   * client does not connect to more instances than it needs.
   */
  #proveOne(): void {
    let busy = 0;
    let next: Member | undefined;
    for (const member of this.#members.values()) {
      if (member.isBeingProven || (member.isProven && member.hasRoom)) busy++;
      else if (isStranger(member)) next ??= member;
    }
    if (next === undefined || busy >= readyAtOnce) return;
    const member = next;
    void member.prove().then(() => this.#proved(member));
  }

  #proved(member: Member): void {
    for (const wake of this.#wake.splice(0)) wake();
    if (member.isProven && member.hasRoom) this.#options.room(member);
  }

  /**
   * Resolves when some instances have proven themselves, or when all were asked and none has. Then the call will tell
   * why.
   * @throws IscepError as `some`
   */
  async proven(): Promise<void> {
    await this.some();
    this.#isUsed = true;
    const asked = new Set<Member>();
    const endsAtMs = performance.now() + this.#options.limits.connectTimeoutMs;
    while (performance.now() < endsAtMs && ![...this.#members.values()].some(isProvenThere)) {
      this.#check();
      // Twice as many are asked each time: most times a few answer, but many may be invented.
      const strangers = this.#strangers(asked, Math.max(provenAtOnce, asked.size));
      if (strangers.length === 0) return;
      for (const member of strangers) asked.add(member);
      await this.#prove(strangers, { orSome: true });
    }
  }

  /** Some instances without a proof, from a random one on, so that many invented ones do not come first. */
  #strangers(asked: ReadonlySet<Member>, most: number): Member[] {
    const strangers = [...this.#members.values()].filter((one) => isStranger(one) && !asked.has(one));
    const from = Math.floor(Math.random() * strangers.length);
    return [...strangers.slice(from), ...strangers.slice(0, from)].slice(0, most);
  }

  /**
   * Resolves when all of them have answered or were asked in vain, and after `withinMs` at the latest. With `orSome`,
   * those that are slower than the first one get as long again as it took.
   */
  async #prove(
    strangers: readonly Member[],
    { withinMs = this.#options.limits.natsStrangerMs, orSome = false } = {},
  ): Promise<void> {
    const askedAtMs = performance.now();
    let first = (): void => {};
    const some = new Promise<void>((resolve) => (first = resolve));
    const proofs = strangers.map(async (member) => {
      await member.prove();
      if (member.isProven) first();
      this.#proved(member);
    });
    const all = Promise.all(proofs);
    await within(orSome ? Promise.race([all, some]) : all, withinMs);
    if (orSome) await within(all, Math.min(withinMs, performance.now() - askedAtMs));
  }

  /** True when there are instances of which it is not known yet whether they answer. */
  get hasStrangers(): boolean {
    for (const member of this.#members.values()) if (isStranger(member)) return true;
    return false;
  }

  /** Like `answering`, for all instances. Each may take as long as an instance may be silent before it counts as gone. */
  async allAnswering(): Promise<Member[]> {
    return this.answering(await this.all(), this.#options.limits.natsGoneMs);
  }

  /** Asks all instances without a proof, and waits `natsStrangerMs` at most. */
  askStrangers(): Promise<void> {
    return this.#prove([...this.#members.values()].filter(isStranger));
  }

  /** Those of these instances that answer in time. When none answers, all of them. */
  async answering(members: readonly Member[], withinMs = this.#options.limits.natsStrangerMs): Promise<Member[]> {
    this.#isUsed = true;
    await this.#prove(members.filter(isStranger), { withinMs });
    const answering = members.filter((member) => member.isProven);
    // A caller whose token is refused everywhere must hear that.
    return answering.length > 0 ? answering : [...members];
  }

  get #sweepMs(): number {
    return Math.max(1, this.#options.limits.natsGoneMs / 16);
  }

  /** An instance that has left tells nothing more, so it is removed here too, and what it still had to answer ends. */
  #removeSilent(): void {
    const nowMs = performance.now();
    // While this process stood still, it heard nothing. What was told meanwhile is read after this turn.
    const stoodStillMs = Math.max(0, nowMs - this.#sweptAtMs - 2 * this.#sweepMs);
    this.#sweptAtMs = nowMs;
    if (this.#options.service.unreachable() !== undefined) return;
    const { natsGoneMs } = this.#options.limits;
    for (const member of this.#members.values()) {
      member.heardAtMs = Math.min(nowMs, member.heardAtMs + stoodStillMs);
      if (nowMs - member.heardAtMs <= natsGoneMs) continue;
      this.#members.delete(member.instance);
      const { instance, beat } = member;
      const why = beat.state === "left" ? "it has closed" : `nothing was heard of it for ${natsGoneMs} ms`;
      member.gone(new IscepError("lost", `the instance ${instance} is gone: ${why}`));
    }
  }

  #ask(): void {
    const { service } = this.#options;
    this.#asking ??= service
      .ask()
      .catch(() => false)
      .finally(() => {
        this.#asking = undefined;
        for (const wake of this.#wake.splice(0)) wake();
      });
  }

  /**
   * Resolves when an instance fits, and at the latest when all that are there must have told of themselves.
   * @throws IscepError `connect_failed` while nothing can be heard, `closed`
   */
  async some(fits: (member: Member) => boolean = isThere): Promise<void> {
    const endsAtMs = performance.now() + this.#tellingMs;
    this.#ask();
    for (;;) {
      this.#check();
      for (const member of this.#members.values()) if (fits(member)) return;
      const leftMs = endsAtMs - performance.now();
      if (leftMs <= 0 || (this.#asking === undefined && this.#members.size === 0)) return;
      await this.#news(leftMs);
    }
  }

  /** The instances that answer at once when they are asked, which are most times all. @throws IscepError as `some` */
  async known(): Promise<Member[]> {
    await this.some();
    await this.#asking;
    return this.answering(this.#present());
  }

  #present(): Member[] {
    return [...this.#members.values()].filter(({ beat }) => beat.state !== "left");
  }

  /** Resolves when all instances that are there must have told of themselves. @throws IscepError as `some` */
  async all(): Promise<Member[]> {
    this.#check();
    if (this.#silentMs > 0) {
      this.#ask();
      await (this.#gathering ??= this.#gather().finally(() => (this.#gathering = undefined)));
      this.#check();
    }
    return this.#present();
  }

  /** When no instance is there, this is known at once. */
  async #gather(): Promise<void> {
    await this.#asking;
    if (this.#members.size === 0 || this.#silentMs <= 0) return;
    await pause(this.#silentMs, undefined, { signal: this.#closed.signal }).catch(() => {});
  }

  /** For how long an instance may still be there that has told nothing. */
  get #silentMs(): number {
    return this.#listensSinceMs + this.#tellingMs - performance.now();
  }

  /**
   * Each instance tells of itself in this time, even if the question does not reach it: a beat comes four times in
   * `natsGoneMs`.
   */
  get #tellingMs(): number {
    return 0.3 * this.#options.limits.natsGoneMs;
  }

  #check(): void {
    if (this.#closed.signal.aborted) throw new IscepError("closed", "the client is closed; connect again");
    const fault = this.#options.service.unreachable();
    if (fault !== undefined) throw new IscepError("connect_failed", fault.message, { cause: fault });
  }

  async #news(withinMs: number): Promise<void> {
    await within(new Promise<void>((resolve) => this.#wake.push(resolve)), withinMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#closed.abort("the client is closed");
    for (const wake of this.#wake.splice(0)) wake();
    const members = [...this.#members.values()];
    // A call that ends at one member now must not go on to the next one.
    this.#members.clear();
    await Promise.all(members.map((member) => member.close()));
    await this.#options.service.close();
  }
}

function isThere(member: Member): boolean {
  return member.isThere;
}

function isProvenThere(member: Member): boolean {
  return member.isProven && member.isThere;
}

function isStranger(member: Member): boolean {
  return !member.isProven && member.isThere;
}
