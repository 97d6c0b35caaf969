/** Takes requests without a session, as many at once as the limits allow, and sends their answers. */
import { toIscepError, type ErrorCode } from "../../../errors.js";
import { Rate } from "../../../nats/rate.js";
import { natsSource } from "../../../nats/subjects.js";
import { answerMessage, readProofHeader } from "../../../session/request-proof.js";
import type { NatsPartContext } from "../parts/part.js";
import { refusedIt, takenBy, type HandOver } from "./hand-over.js";
import type { ServiceMessage } from "./message.js";
import { ServiceProofs } from "./proofs.js";
import { errorReplyOf, type ServiceReply } from "./reply.js";
import { isOurs, ServiceRequest, tooMany, type LeftRun } from "./request.js";

export interface ServiceRequestsHost {
  readonly context: NatsPartContext;
  readonly handOver: HandOver;
  /** @param proof shows the caller that the answer comes from the service */
  send(subject: string, reply: ServiceReply, proof: string | undefined): void;
  answered(command: string, durationMs: number, error: ErrorCode | undefined): void;
}

export class ServiceRequests {
  readonly #host: ServiceRequestsHost;
  readonly #proofs: ServiceProofs;
  readonly #refusals: Rate;
  #underWay = 0;
  /** The detached runs whose ends decide whether their keys are given back, by id. */
  readonly #undecided = new Set<string>();
  #whenIdle: (() => void)[] = [];

  constructor(host: ServiceRequestsHost) {
    this.#host = host;
    this.#proofs = new ServiceProofs(host.context);
    this.#refusals = new Rate(host.context.server.limits.natsMaxRefusedPerSecond);
  }

  /** Must not throw, and does not wait for the answer. */
  receive(message: ServiceMessage): void {
    // Each request keeps its payload in memory here, also while it is carried to another instance.
    if (this.#underWay >= 2 * this.#host.context.server.limits.natsMaxRequests) {
      if (message.giver !== undefined) this.#host.context.broker.publish(message.giver, refusedIt);
      else if (this.#refusals.take()) this.#host.send(message.reply, errorReplyOf(tooMany()), undefined);
      return;
    }
    this.#underWay++;
    void this.#answer(message).then(() => {
      this.#underWay--;
      this.#tellIfIdle();
    });
  }

  get #isIdle(): boolean {
    return this.#underWay === 0 && this.#undecided.size === 0;
  }

  #tellIfIdle(): void {
    if (this.#isIdle) for (const idle of this.#whenIdle.splice(0)) idle();
  }

  async idle(): Promise<void> {
    if (!this.#isIdle) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** True when a request without any proof may be answered. There are only so many such answers a second. */
  mayRefuse(): boolean {
    return this.#refusals.take();
  }

  /**
   * The proof of an answer, only for a request whose own proof was accepted here. A proven refusal of a forged request
   * could be shown to the caller of the true request with the same nonce, which runs meanwhile.
   */
  #proofOf({ command, proof }: ServiceMessage, { payload, error }: ServiceReply): string | undefined {
    const { server, service } = this.#host.context;
    const { proven, nonce = "" } = readProofHeader(proof ?? "") ?? {};
    if (proven === undefined) return undefined;
    const errorCode = error === undefined ? "" : String(error.status);
    const message = answerMessage({ service, command, nonce, errorCode, payload: Buffer.from(payload) });
    return server.proofTo(proven.reference, natsSource, message)?.toString("base64url");
  }

  #isProven(message: ServiceMessage): boolean {
    try {
      this.#proofs.check(message);
      return true;
    } catch {
      return false;
    }
  }

  get #isFull(): boolean {
    return this.#underWay > this.#host.context.server.limits.natsMaxRequests;
  }

  async #answer(message: ServiceMessage): Promise<void> {
    const { context, handOver } = this.#host;
    const startedMs = performance.now();
    if (message.giver !== undefined) {
      const { state } = context.beat();
      const isWanted = this.#isProven(message) && (isOurs(message) || (state === "ready" && !this.#isFull));
      const taken = isWanted ? takenBy(context, message, context.instance) : undefined;
      context.broker.publish(message.giver, taken ?? refusedIt);
      if (taken === undefined) return;
    }
    const request = new ServiceRequest(message, {
      context,
      handOver,
      proofs: this.#proofs,
      isFull: () => this.#isFull,
      left: (left, end) => void this.#endWhenDecided(left, end),
    });
    const reply = await request.reply().catch((error: unknown) => errorReplyOf(toIscepError(error)));
    if (reply === undefined) return;
    // Answers would not help callers who flood the service.
    if (reply.error?.code !== "unauthorized" || this.#refusals.take())
      this.#host.send(message.reply, reply, request.isProven ? this.#proofOf(message, reply) : undefined);
    this.#host.answered(message.command, performance.now() - startedMs, reply.error?.code);
  }

  async #endWhenDecided({ run, outcome }: LeftRun, end: (hasBegun: boolean) => Promise<void>): Promise<void> {
    // Repetitions get the same run. One of them waits for it, so that they cannot pile up.
    if (this.#undecided.has(run)) return end(true);
    this.#undecided.add(run);
    await end((await outcome).status !== "rejected");
    this.#undecided.delete(run);
    this.#tellIfIdle();
  }

  close(): void {
    this.#proofs.close();
  }
}
