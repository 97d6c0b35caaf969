/** Lets each planned time of a schedule be started by one instance of the service. */
import { setTimeout as pause } from "node:timers/promises";
import { IscepError } from "../../../errors.js";
import { Claims } from "../../../nats/queue/claims.js";
import { queueClaims } from "../../../nats/queue/work-queue.js";
import type { ScheduleClaim, ScheduledTime } from "../../../schedule/shared-times.js";
import type { NatsPartContext } from "../parts/part.js";

const dayMs = 86_400_000;
const retryMs = 500;

export class ScheduleClaims {
  /** Claims of planned times. Each time leaves a key, so a key is kept only as long as an instance may ask for it. */
  readonly #times: Claims;
  /** One key for each schedule, kept for as long as a run may take. */
  readonly #running: Claims;
  /**
   * How many claims of this instance have not ended, by key. A time that is left out while the last run goes on must not
   * give away the key of that run.
   */
  readonly #held = new Map<string, number>();
  readonly #context: Pick<NatsPartContext, "instance" | "others" | "broker">;

  constructor(
    context: Pick<NatsPartContext, "instance" | "others" | "broker" | "service"> & {
      server: Pick<NatsPartContext["server"], "limits">;
    },
  ) {
    const { broker, service, server } = context;
    const { scheduleCatchUpMs, natsMaxClaims } = server.limits;
    this.#context = context;
    this.#times = new Claims(broker, `iscep-schedules_${service}`, {
      // A missed time may be asked for until `scheduleCatchUpMs` has passed, and is then tried for as long again. A day
      // more is kept, because clocks may be wrong.
      keepMs: 2 * scheduleCatchUpMs + dayMs,
      maxClaims: natsMaxClaims,
    });
    this.#running = queueClaims(broker, service, server.limits);
  }

  /** @throws IscepError `busy` when nobody can tell now. Ask again: this instance keeps a claim that it has made */
  async claim({ command, plannedMs, isAlone }: ScheduledTime): Promise<ScheduleClaim> {
    const { instance, others } = this.#context;
    const name = keyOf(command);
    if ((await this.#times.claim(`${name}.${plannedMs}`, instance)) !== instance) return { kind: "others" };
    if (!isAlone) return { kind: "ours", ended: () => {} };
    const key = `schedule.${name}`;
    const [before] = (await this.#running.get(key))?.split(" ") ?? [];
    if (before !== undefined && before !== instance) {
      const presence = others.presenceOf(before);
      if (presence === "there") return { kind: "underWay", where: before };
      if (presence === "unknown")
        throw new IscepError("busy", `the last run was started by the instance ${before}, which may be gone or not`);
    }
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    const ended = (): void => void this.#ended(key);
    try {
      await this.#running.set(key, instance);
    } catch (error) {
      // It may have been set all the same.
      ended();
      throw error;
    }
    return { kind: "ours", ended };
  }

  /**
   * Tries until the key is gone, because while this instance lives, others leave out every time of a schedule that has
   * a key. A newer claim of this instance needs the key again, and gives it back itself.
   */
  async #ended(key: string): Promise<void> {
    const left = (this.#held.get(key) ?? 1) - 1;
    if (left > 0) this.#held.set(key, left);
    else this.#held.delete(key);
    const { broker, instance } = this.#context;
    while (!this.#held.has(key) && !broker.connection.isClosed()) {
      try {
        await this.#running.release(key, instance);
        return;
      } catch {
        await pause(retryMs, undefined, { ref: false });
      }
    }
  }
}

/** A key may not contain a colon, and a dot would separate its parts. */
function keyOf(command: string): string {
  return command.replaceAll(/[^A-Za-z0-9_-]/g, (character) => `=${character.charCodeAt(0).toString(16)}`);
}
