/** Lets each planned time of a schedule be started by one instance of the service. */
import type { Claims } from "../../../nats/queue/claims.js";
import { queueClaims } from "../../../nats/queue/work-queue.js";
import type { ScheduleClaim, ScheduledTime } from "../../../schedule/shared-times.js";
import type { NatsPartContext } from "../part.js";

export class ScheduleClaims {
  readonly #claims: Claims;
  readonly #context: Pick<NatsPartContext, "instance" | "others">;

  constructor(
    context: Pick<NatsPartContext, "instance" | "others" | "broker" | "service"> & {
      server: Pick<NatsPartContext["server"], "limits">;
    },
  ) {
    this.#context = context;
    this.#claims = queueClaims(context.broker, context.service, context.server.limits);
  }

  /**
   * @throws IscepError `busy` when the broker cannot tell now. Ask again: a claim that this instance has made stays
   *   its own
   */
  async claim({ command, plannedMs, isAlone }: ScheduledTime): Promise<ScheduleClaim> {
    const { instance, others } = this.#context;
    const prefix = `schedule.${keyOf(command)}`;
    if ((await this.#claims.claim(`${prefix}.${plannedMs}`, instance)) !== instance) return { kind: "others" };
    const running = `${prefix}.running`;
    if (isAlone) {
      const before = await this.#claims.get(running);
      if (before !== undefined && before !== instance && !others.isGone(before))
        return { kind: "underWay", where: before };
      await this.#claims.set(running, instance);
    }
    const ended = async (): Promise<void> => {
      // When this fails, other instances leave the next times out, until this one starts a time again or is gone.
      if (isAlone && (await this.#claims.get(running)) === instance) await this.#claims.release(running);
    };
    return { kind: "ours", ended: () => void ended().catch(() => {}) };
  }
}

/** A key may not contain a colon, and a dot would separate its parts. */
function keyOf(command: string): string {
  return command.replaceAll(/[^A-Za-z0-9_-]/g, (character) => `=${character.charCodeAt(0).toString(16)}`);
}
