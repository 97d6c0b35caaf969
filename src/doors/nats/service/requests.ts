/** Answers requests without a session: a thin door over a client of the server. */
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import { IscepError, toIscepError, type ErrorCode } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import type { HandOver } from "./hand-over.js";
import { refusedIt, takenBy } from "./hand-over.js";
import type { NatsPartContext } from "../parts/part.js";
import { argumentsOf, wishesOf, type ServiceMessage } from "./message.js";
import { ServiceProofs, type KeyOwner, type KnownRequest, type NewRequest } from "./proofs.js";
import { Rate } from "../../../nats/rate.js";
import { answerMessage, readProofHeader } from "../../../session/request-proof.js";
import { natsSource } from "../../../nats/subjects.js";
import { errorReplyOf, knownReply, replyOf, type ServiceReply } from "./reply.js";

/** For callers who give no timeout: the command has its own. */
const longestTimeoutMs = 2 ** 31 - 1;

export interface ServiceRequestsHost {
  readonly context: NatsPartContext;
  readonly handOver: HandOver;
  /** @param proof shows the caller that the answer comes from the service */
  send(subject: string, reply: ServiceReply, proof: string | undefined): void;
  answered(command: string, durationMs: number, error: ErrorCode | undefined): void;
}

/** Whether a run has begun with a request. */
interface Beginning {
  isTrue: boolean;
  /** The detached run of a caller who has the answer already. It may still be refused after a check or a wait. */
  left?: { readonly run: string; readonly outcome: Promise<Outcome> };
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
    const { broker } = this.#host.context;
    const startedMs = performance.now();
    let reply: ServiceReply | undefined;
    if (message.giver !== undefined) {
      const { state } = this.#host.context.beat();
      const isWanted = this.#isProven(message) && (isOurs(message) || (state === "ready" && !this.#isFull));
      const taken = isWanted ? takenBy(this.#host.context, message, this.#host.context.instance) : undefined;
      broker.publish(message.giver, taken ?? refusedIt);
      if (taken === undefined) return;
    }
    const seen = { isProven: false };
    try {
      reply = await this.#reply(message, seen, isOurs(message));
    } catch (error) {
      reply = errorReplyOf(toIscepError(error));
    }
    if (reply === undefined) return;
    // Answers would not help callers who flood the service.
    if (reply.error?.code !== "unauthorized" || this.#refusals.take())
      this.#host.send(message.reply, reply, seen.isProven ? this.#proofOf(message, reply) : undefined);
    this.#host.answered(message.command, performance.now() - startedMs, reply.error?.code);
  }

  /**
   * Resolves to undefined when another instance answers.
   * @param seen has `isProven` set when the proof is accepted
   * @param mustWait no other instance has room, so the request waits here for its turn
   */
  async #reply(
    message: ServiceMessage,
    seen: { isProven: boolean },
    mustWait = false,
  ): Promise<ServiceReply | undefined> {
    const { context, handOver } = this.#host;
    const { state } = context.beat();
    const isElsewhere = !mustWait && (state !== "ready" || this.#isFull) && !this.#isForUs(message);
    if (isElsewhere) {
      // No request of a stranger is carried to another instance.
      this.#proofs.check(message);
      if (await handOver.give(message)) return undefined;
    }
    if (isClosing(context) && !isOurs(message)) {
      if (!this.#isForUs(message) && (await handOver.giveToWait(message))) return undefined;
      throw closing();
    }
    if (this.#isFull) throw tooMany();
    const request = await this.#proofs.open(message);
    seen.isProven = true;
    let key: KeyOwner | undefined;
    const beginning: Beginning = { isTrue: false };
    const end = async (hasBegun: boolean): Promise<void> => {
      await key?.ended(hasBegun);
      if (request.kind === "new") request.began(undefined);
      request.close();
    };
    try {
      if (request.kind === "elsewhere") return await this.#elsewhere(message, request.instance);
      if (request.kind === "again") return await this.#again(request);
      key = await this.#ownerOfKey(message, request);
      if (key !== undefined && key.instance !== context.instance) {
        await request.release();
        return await this.#elsewhere(message, key.instance);
      }
      const reply = await this.#begin(
        message,
        request,
        mustWait || key !== undefined || this.#isForUs(message),
        beginning,
      );
      if (reply !== "elsewhere") return reply;
      await request.release();
    } finally {
      if (key === undefined || beginning.left === undefined) await end(beginning.isTrue);
      else void this.#endWhenDecided(beginning.left, end);
    }
    if (await handOver.give(message)) return undefined;
    // Another instance may have claimed the request by now, so everything is asked again.
    if (!isOurs(message)) return this.#reply(message, seen, true);
    if (await handOver.giveToWait(message)) return undefined;
    throw closing();
  }

  async #endWhenDecided(
    { run, outcome }: NonNullable<Beginning["left"]>,
    end: (hasBegun: boolean) => Promise<void>,
  ): Promise<void> {
    // Repetitions get the same run. One of them waits for it, so that they cannot pile up.
    if (this.#undecided.has(run)) return end(true);
    this.#undecided.add(run);
    await end((await outcome).status !== "rejected");
    this.#undecided.delete(run);
    this.#tellIfIdle();
  }

  /** Resolves to undefined when the request has no key, or is for this instance alone. */
  async #ownerOfKey({ headers, isBound }: ServiceMessage, request: NewRequest): Promise<KeyOwner | undefined> {
    const { idempotencyKey } = wishesOf(headers);
    if (idempotencyKey === undefined || isBound || request.isBound) return undefined;
    return this.#proofs.ownerOfKey(request, idempotencyKey);
  }

  async #again({ client, run }: Extract<KnownRequest, { kind: "again" }>): Promise<ServiceReply> {
    if (run === undefined)
      throw new IscepError("unauthorized", "this proof was used before; make a new one for each request");
    // The reply subject may be another one than before, and belong to somebody who listened. So the answer contains no value.
    const { runs } = await client.runs({ run });
    return knownReply(run, runs[0]?.status ?? "lost");
  }

  /** True when the request or its proof names this instance, so that no other one would take it. */
  #isForUs({ proof, isBound }: ServiceMessage): boolean {
    if (isBound) return true;
    return proof !== undefined && proof.includes(`to=${this.#host.context.instance}`);
  }

  async #elsewhere(message: ServiceMessage, instance: string): Promise<undefined> {
    // The other instance has claimed the request, so it does not matter which instances had it before.
    if (await this.#host.handOver.to(instance, message, [])) return undefined;
    throw new IscepError("lost", "the instance that has this request is gone, or takes nothing now");
  }

  /**
   * Resolves to `elsewhere` when nothing has begun here, and another instance may begin the request: it would have to
   * wait here, or it waited and the server closes.
   */
  async #begin(
    message: ServiceMessage,
    request: NewRequest,
    mustWait: boolean,
    beginning: Beginning,
  ): Promise<ServiceReply | "elsewhere"> {
    const { context, handOver } = this.#host;
    const { client, nonce } = request;
    const { command, payload, traceparent } = message;
    const { timeoutMs = longestTimeoutMs, detach, idempotencyKey } = wishesOf(message.headers);
    const args = argumentsOf(payload, context.server.limits);
    const key = idempotencyKey ?? (nonce === undefined ? undefined : `nats ${nonce}`);
    const wait = mustWait || !handOver.isPossible(message);
    const handle = client.run(command, args, {
      timeoutMs,
      output: false,
      wait,
      ...(detach ? { detach } : {}),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...(traceparent === undefined ? {} : { traceparent }),
    });
    handle.id.then(
      (run) => {
        beginning.isTrue = true;
        request.began(run);
      },
      () => {},
    );
    const outcome = await this.#told(handle, detach);
    // A run that is refused after a slow check of its arguments, or after a wait, has its id before.
    if (outcome?.status === "rejected") beginning.isTrue = false;
    if (outcome?.status === "rejected" && mayBeginElsewhere(outcome.error.code)) {
      if (!this.#isForUs(message) && (!wait || isClosing(context))) return "elsewhere";
    }
    const run = await handle.id.catch(() => undefined);
    if (outcome !== undefined) return replyOf(outcome, run, context.broker.maxPayloadBytes);
    if (run !== undefined) beginning.left = { run, outcome: handle.outcome };
    return knownReply(run ?? "", "running");
  }

  /** The outcome; undefined if the caller does not want to wait for it, and the run has begun. */
  async #told(handle: RunHandle, detach: boolean): Promise<Outcome | undefined> {
    if (!detach) return handle.outcome;
    const run = await handle.id.catch(() => undefined);
    return run === undefined ? handle.outcome : undefined;
  }

  close(): void {
    this.#proofs.close();
  }
}

/**
 * True when another instance gives us a request that we must take, because we have claimed it, or because its giver
 * closes and nobody has room. Such a request names no tried instances.
 */
function isOurs({ giver, tried }: ServiceMessage): boolean {
  return giver !== undefined && tried.length === 0;
}

function tooMany(): IscepError {
  return new IscepError("busy", "too many requests wait here for their answers; try again later");
}

/** With these codes nothing has begun, and another instance may begin the request. */
function mayBeginElsewhere(code: ErrorCode): boolean {
  return code === "busy" || code === "closed";
}

function isClosing({ beat }: NatsPartContext): boolean {
  const { state } = beat();
  return state === "draining" || state === "left";
}

function closing(): IscepError {
  return new IscepError("closed", "the server closes; nothing was begun");
}
