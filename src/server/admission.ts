import { earlyDropProbability } from "../identity/early-drop.js";
import { Penalties } from "../identity/penalties.js";
import { sourceKey } from "../identity/source.js";
import type { Limits } from "../limits/limits.js";
import { natsSource } from "../nats/subjects.js";
import { isLoopbackHost } from "../transport/address.js";
import { unixSource, type Verdict } from "../transport/listener.js";
import { Strangers, type Stranger } from "./strangers.js";

/**
 * Decides who may connect. It counts all connections, those of each source, and those without a token yet, and knows
 * sources that sent wrong tokens.
 */
export class Admission {
  readonly #limits: Limits;
  readonly #exemptLocal: boolean;
  readonly #penalties: Penalties;
  readonly #bySource = new Map<string, number>();
  readonly #strangers = new Strangers();
  #open = 0;
  /** Refused connections count apart, because they must not take the place that becomes free. */
  #refused = 0;

  constructor(limits: Limits, exemptLocal: boolean) {
    this.#limits = limits;
    this.#exemptLocal = exemptLocal;
    this.#penalties = new Penalties(limits);
  }

  get open(): number {
    return this.#open;
  }

  /** With "drop", nothing was counted. Otherwise `released` must follow once. */
  admit(source: string, nowMs: number): Verdict {
    const { maxConnections, maxConnectionsPerSource } = this.#limits;
    const exempt = this.isExempt(source);
    const key = sourceKey(source);
    if (!exempt && (this.isPenalised(source, nowMs) || !this.#mayWait(key))) return { verdict: "drop" };
    if (this.#open >= maxConnections) {
      return this.#refuse(`the server has its ${maxConnections} connections already; try again later`);
    }
    const fromSource = this.#bySource.get(key) ?? 0;
    if (!exempt && fromSource >= maxConnectionsPerSource) {
      return this.#refuse(`your address has its ${maxConnectionsPerSource} connections already`);
    }
    if (!exempt) this.#bySource.set(key, fromSource + 1);
    this.#open++;
    return { verdict: "admit" };
  }

  #refuse(reason: string): Verdict {
    if (this.#refused >= this.#limits.maxRefusedConnections) return { verdict: "drop" };
    this.#refused++;
    return { verdict: "refuse", reason };
  }

  released(source: string, refused: boolean): void {
    if (refused) {
      this.#refused--;
      return;
    }
    this.#open--;
    if (this.isExempt(source)) return;
    const key = sourceKey(source);
    const left = (this.#bySource.get(key) ?? 0) - 1;
    if (left > 0) this.#bySource.set(key, left);
    else this.#bySource.delete(key);
  }

  /** Connections of a source with many connections without a token are dropped before others. */
  #mayWait(key: string): boolean {
    if (Math.random() < earlyDropProbability(this.#strangers.of(key), this.#limits)) return false;
    return this.#strangers.count < this.#limits.maxUnauthenticatedConnections || this.#strangers.makeRoomFor(key);
  }

  /** Counts a connection that has not shown a token yet. `arrived` follows when it has, or is gone. */
  awaited(stranger: Stranger): void {
    if (!this.isExempt(stranger.source)) this.#strangers.add(sourceKey(stranger.source), stranger);
  }

  arrived(stranger: Stranger): void {
    if (!this.isExempt(stranger.source)) this.#strangers.delete(sourceKey(stranger.source), stranger);
  }

  failedToken(source: string, nowMs: number): void {
    if (!this.isExempt(source)) this.#penalties.fail(source, nowMs);
  }

  /** True when too many wrong tokens came from the source lately. */
  isPenalised(source: string, nowMs: number): boolean {
    return !this.isExempt(source) && this.#penalties.isRefused(source, nowMs);
  }

  /** True for a source with many callers behind it: a proxy, a shared machine, or a broker. */
  isExempt(source: string): boolean {
    // All callers over a broker share this source, because it is not known where they come from.
    if (source === natsSource) return true;
    return this.#exemptLocal && (source === unixSource || isLoopbackHost(source));
  }
}
