/** Those who want a run to go on. Without any of them, and not detached, it is abandoned after a grace. */
import type { RunOutcome } from "../../model/outcome.js";
import { eachListener, withListener, withoutListener, type Listeners } from "./listeners.js";

/** What is held. */
export interface HeldRun {
  readonly outcome: RunOutcome | undefined;
  /** Nobody holds it any more. The timer is cleared when somebody holds it again, and when it ends. */
  abandoned(): NodeJS.Timeout | undefined;
}

export class Holders {
  readonly #run: HeldRun;
  #holders: Listeners<object>;
  #detachments = 0;
  /** Runs out when no caller has come back in time. */
  #graceTimer: NodeJS.Timeout | undefined;

  constructor(run: HeldRun) {
    this.#run = run;
  }

  /** A caller holds the run, so that it goes on until the caller releases it. */
  hold(holder: object): void {
    if (this.#run.outcome !== undefined) return;
    clearTimeout(this.#graceTimer);
    if (!this.#has(holder)) this.#holders = withListener(this.#holders, holder);
  }

  release(holder: object): void {
    if (!this.#has(holder)) return;
    this.#holders = withoutListener(this.#holders, holder);
    if (this.#holders === undefined && this.#run.outcome === undefined) this.#graceTimer = this.#run.abandoned();
  }

  /** A call wants the run to go on when nobody holds it. */
  detach(): void {
    this.#detachments++;
  }

  /** That call does not want it any more. */
  undetach(): void {
    this.#detachments--;
  }

  get isDetached(): boolean {
    return this.#detachments > 0;
  }

  /**
   * True when somebody other than this holder wants the run.
   * @param isDetached one of the detachments is this holder's own
   */
  wantWithout(holder: object, isDetached: boolean): boolean {
    const others = eachListener(this.#holders).some((one) => one !== holder);
    return others || this.#detachments > (isDetached ? 1 : 0);
  }

  /** The run has ended. */
  end(): void {
    clearTimeout(this.#graceTimer);
    this.#holders = undefined;
  }

  #has(holder: object): boolean {
    return eachListener(this.#holders).includes(holder);
  }
}
