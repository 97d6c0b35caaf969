/** The instances of a service that a client has heard of, for as long as it hears of them. */
import { setTimeout as pause } from "node:timers/promises";
import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Beat } from "../../nats/beat.js";
import type { Version2ProtocolClient } from "../version2/protocol-client.js";
import { Member } from "./member.js";
import type { Service } from "./service.js";

export interface MembersOptions {
  readonly service: Service;
  readonly limits: Pick<Limits, "maxKnownInstances" | "natsGoneMs">;
  open(member: Member): Version2ProtocolClient;
  /** A call would probably begin at once there. */
  room(member: Member): void;
  lost(error: IscepError): void;
  back(): void;
}

export class Members implements Iterable<Member> {
  readonly #options: MembersOptions;
  readonly #members = new Map<string, Member>();
  readonly #sweep: NodeJS.Timeout;
  readonly #closed = new AbortController();
  /** Since when beats can be heard, by performance.now(). */
  #listensSinceMs = performance.now();
  #asking: Promise<unknown> | undefined;
  #gathering: Promise<void> | undefined;
  #wake: (() => void)[] = [];

  constructor(options: MembersOptions) {
    this.#options = options;
    const { service, limits } = options;
    service.listen({
      beat: (beat) => this.#told(beat),
      lost: (error) => options.lost(error),
      back: () => {
        this.#listensSinceMs = performance.now();
        for (const member of this.#members.values()) member.heardAtMs = this.#listensSinceMs;
        options.back();
      },
    });
    this.#sweep = setInterval(() => this.#removeSilent(), Math.max(1, limits.natsGoneMs / 16));
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

  #told(beat: Beat): void {
    const known = this.#members.get(beat.instance);
    if (known === undefined) {
      // Anybody who may publish there can invent names.
      if (beat.state === "left" || this.#members.size >= this.#options.limits.maxKnownInstances) return;
      this.#members.set(beat.instance, new Member(beat, (member) => this.#options.open(member)));
    } else if (known.beat.state !== "left") known.told(beat);
    const member = this.#members.get(beat.instance);
    for (const wake of this.#wake.splice(0)) wake();
    if (member?.hasRoom === true) this.#options.room(member);
  }

  /** One that has left tells nothing more, so what it still had to answer ends here too. */
  #removeSilent(): void {
    if (this.#options.service.unreachable() !== undefined) return;
    const { natsGoneMs } = this.#options.limits;
    const nowMs = performance.now();
    for (const member of this.#members.values()) {
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
   * Resolves when there is one that fits, and at the latest when all that are there must have told of themselves.
   * @throws IscepError `connect_failed` while nothing can be heard
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

  /** Those that answer at once when they are asked. Most times they are all. @throws IscepError as `some` */
  async known(): Promise<Member[]> {
    await this.some();
    await this.#asking;
    return this.#present();
  }

  #present(): Member[] {
    return [...this.#members.values()].filter(({ beat }) => beat.state !== "left");
  }

  /** Resolves when all that are there must have told of themselves. @throws IscepError as `some` */
  async all(): Promise<Member[]> {
    this.#check();
    if (this.#silentMs > 0) {
      this.#ask();
      await (this.#gathering ??= this.#gather().finally(() => (this.#gathering = undefined)));
      this.#check();
    }
    return this.#present();
  }

  /** When there are none, this is known at once. */
  async #gather(): Promise<void> {
    await this.#asking;
    if (this.#members.size === 0 || this.#silentMs <= 0) return;
    await pause(this.#silentMs, undefined, { signal: this.#closed.signal }).catch(() => {});
  }

  /** For how long one may still be there that has told nothing. */
  get #silentMs(): number {
    return this.#listensSinceMs + this.#tellingMs - performance.now();
  }

  /** Each tells of itself in this time, even if the question does not reach it: a beat comes four times in `natsGoneMs`. */
  get #tellingMs(): number {
    return 0.3 * this.#options.limits.natsGoneMs;
  }

  #check(): void {
    if (this.#closed.signal.aborted) throw new IscepError("closed", "the client is closed; connect again");
    const fault = this.#options.service.unreachable();
    if (fault !== undefined) throw new IscepError("connect_failed", fault.message, { cause: fault });
  }

  async #news(withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, withinMs);
      this.#wake.push(resolve);
    });
    clearTimeout(timer);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#closed.abort("the client is closed");
    for (const wake of this.#wake.splice(0)) wake();
    await Promise.all([...this.#members.values()].map((member) => member.close()));
    await this.#options.service.close();
  }
}

function isThere(member: Member): boolean {
  return member.isThere;
}
