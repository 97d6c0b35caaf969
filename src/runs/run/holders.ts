/** Who wants a run to go on. Without any of them, and not detached, it is abandoned after a grace. */
import { eachListener, withListener, withoutListener, type Listeners } from "./listeners.js";

export class Holders {
  #holders: Listeners<object>;
  /** How many calls want the run to go on when nobody holds it. */
  #detachments = 0;
  /** Runs out when no caller has come back in time. */
  #graceTimer: NodeJS.Timeout | undefined;

  hold(holder: object): void {
    clearTimeout(this.#graceTimer);
    if (!this.#has(holder)) this.#holders = withListener(this.#holders, holder);
  }

  /** True when this was the last one. */
  release(holder: object): boolean {
    if (!this.#has(holder)) return false;
    this.#holders = withoutListener(this.#holders, holder);
    return this.#holders === undefined;
  }

  /** The timer is cleared when somebody holds the run again, and when it ends. */
  graceBegins(timer: NodeJS.Timeout | undefined): void {
    this.#graceTimer = timer;
  }

  detach(): void {
    this.#detachments++;
  }

  undetach(): void {
    this.#detachments--;
  }

  get isDetached(): boolean {
    return this.#detachments > 0;
  }

  /** @param isDetached one of the detachments is this holder's own */
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
