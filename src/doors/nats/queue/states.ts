/** What is known of durable calls: in the queue, with an instance, or over. It is kept by the broker. */
import { callSubjects } from "../../../nats/call-subjects.js";
import type { Claims } from "../../../nats/queue/claims.js";
import { readDurableState, type DurableState } from "../../../nats/queue/durable.js";
import { queueName, type WorkQueue } from "../../../nats/queue/work-queue.js";
import type { OutcomeStatus } from "../../../model/outcome.js";
import type { NatsPartContext } from "../part.js";

export interface StartedCall {
  readonly instance: string;
  readonly status: OutcomeStatus;
  readonly code?: string;
  /** The run that it joined, if that is another one. */
  readonly run?: string;
}

const runForm = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export class QueueStates {
  readonly #context: NatsPartContext;
  readonly #claims: Claims;
  /** Calls that were begun here and are not over, as a claim of ours may be seen again. */
  readonly #begun = new Set<string>();

  constructor(context: NatsPartContext, claims: Claims) {
    this.#context = context;
    this.#claims = claims;
  }

  keyOf(run: string): string {
    return `claim.${run}`;
  }

  /** What a claim of this instance says. */
  started(): string {
    return JSON.stringify({ state: "started", instance: this.#context.instance });
  }

  /** False when this instance has begun it before. */
  begins(run: string): boolean {
    if (this.#begun.has(run)) return false;
    this.#begun.add(run);
    return true;
  }

  async ended(run: string, call: StartedCall): Promise<void> {
    await this.#claims.set(this.keyOf(run), JSON.stringify({ state: "ended", ...call }));
    this.#begun.delete(run);
  }

  /** It is the same call as another one, by their idempotency key. */
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
      // An instance may have taken it in between: it claims a call before it takes it out of the queue.
      kept = await this.#claims.get(this.keyOf(run));
      if (kept === undefined) return { state: "unknown" };
    }
    const state = readDurableState(Buffer.from(kept)) ?? { state: "unknown" };
    if (state.state !== "started") return state;
    return { ...state, isThere: !this.#context.others.isGone(state.instance) };
  }
}
