/** What the broker keeps of durable calls: whether a call is in the queue, with an instance, or over. */
import { callSubjects } from "../../../nats/call-subjects.js";
import type { Claims } from "../../../nats/queue/claims.js";
import { readDurableState, type DurableState } from "../../../nats/queue/durable.js";
import { queueName, type WorkQueue } from "../../../nats/queue/work-queue.js";
import type { OutcomeStatus } from "../../../model/outcome.js";
import type { NatsPartContext } from "../parts/part.js";

export interface StartedCall {
  readonly instance: string;
  readonly status: OutcomeStatus;
  readonly code?: string;
  /** The run that the call joined, if it has another id. */
  readonly run?: string;
}

const runForm = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class QueueStates {
  readonly #context: NatsPartContext;
  readonly #claims: Claims;
  /** Calls that were begun here and are not over. When the broker delivers one again, its claim is ours too. */
  readonly #begun = new Set<string>();

  constructor(context: NatsPartContext, claims: Claims) {
    this.#context = context;
    this.#claims = claims;
  }

  keyOf(run: string): string {
    return `claim.${run}`;
  }

  /** The text of a claim by this instance. */
  started(): string {
    return JSON.stringify({ state: "started", instance: this.#context.instance });
  }

  /** Returns false when this instance has begun the call before. */
  begins(run: string): boolean {
    if (this.#begun.has(run)) return false;
    this.#begun.add(run);
    return true;
  }

  async ended(run: string, call: StartedCall): Promise<void> {
    await this.#claims.set(this.keyOf(run), JSON.stringify({ state: "ended", ...call }));
    this.#begun.delete(run);
  }

  /** The call has the idempotency key of another one, and has joined its run. */
  async joined(run: string, other: string): Promise<void> {
    await this.#claims.set(this.keyOf(run), JSON.stringify({ state: "joined", run: other }));
    this.#begun.delete(run);
  }

  /** @throws IscepError `busy` when nobody can know now */
  async of(run: string, queue: WorkQueue): Promise<DurableState> {
    if (!runForm.test(run)) return { state: "unknown" };
    let kept = await this.#claims.get(this.keyOf(run));
    if (kept === undefined) {
      const { service } = this.#context;
      const subject = `${callSubjects.submits(service)}${run}.>`;
      const message = await queue.streams.getMessage(queueName(service), { last_by_subj: subject });
      if (message !== null) return { state: "waiting" };
      // An instance may have taken the call in between. It claims a call before it takes the call out of the queue.
      kept = await this.#claims.get(this.keyOf(run));
      if (kept === undefined) return { state: "unknown" };
    }
    const state = readDurableState(Buffer.from(kept)) ?? { state: "unknown" };
    if (state.state !== "started") return state;
    return { ...state, isThere: this.#context.others.presenceOf(state.instance) !== "gone" };
  }
}
