/** One request without a session: a thin door over a client of the server. */
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import { IscepError, type ErrorCode } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import type { NatsPartContext } from "../parts/part.js";
import type { HandOver } from "./hand-over.js";
import { argumentsOf, wishesOf, type ServiceMessage } from "./message.js";
import type { KeyOwner, KnownRequest, NewRequest, ServiceProofs } from "./proofs.js";
import { knownReply, replyOf, type ServiceReply } from "./reply.js";

/** For callers who give no timeout: the command has its own. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The detached run of a caller who has the answer already. It may still be refused after a check or a wait. */
export interface LeftRun {
  readonly run: string;
  readonly outcome: Promise<Outcome>;
}

export interface ServiceRequestHost {
  readonly context: NatsPartContext;
  readonly handOver: HandOver;
  readonly proofs: ServiceProofs;
  /** So many requests wait here for their answers that others must not begin. */
  isFull(): boolean;
  /** @param end must be called when it is known whether the run has begun */
  left(left: LeftRun, end: (hasBegun: boolean) => Promise<void>): void;
}

export class ServiceRequest {
  readonly #message: ServiceMessage;
  readonly #host: ServiceRequestHost;
  #isProven = false;
  #hasBegun = false;
  #left: LeftRun | undefined;
  /** How its run was refused here, for a caller whose request no other instance takes. */
  #refusal: ServiceReply | undefined;

  constructor(message: ServiceMessage, host: ServiceRequestHost) {
    this.#message = message;
    this.#host = host;
  }

  /** Its proof was accepted, so its answer may be proven too. */
  get isProven(): boolean {
    return this.#isProven;
  }

  /** True when the request or its proof names this instance, so that no other one would take it. */
  get #isForUs(): boolean {
    const { isBound, proof } = this.#message;
    return isBound || (proof !== undefined && proof.includes(`to=${this.#host.context.instance}`));
  }

  /** Resolves to undefined when another instance answers. @throws IscepError why nothing has begun, or `lost` */
  async reply(): Promise<ServiceReply | undefined> {
    const { context, handOver } = this.#host;
    const message = this.#message;
    let reply = await this.#attempt(isOurs(message));
    while (reply === "elsewhere") {
      if (await handOver.give(message)) return undefined;
      if (isClosing(context)) return (await handOver.giveToWait(message)) ? undefined : this.#refusal;
      // Another instance may have claimed the request by now, so everything is asked again.
      reply = await this.#attempt(true);
    }
    return reply;
  }

  /**
   * @param mustWait no other instance has room, so the request waits here for its turn
   * @returns `elsewhere` when nothing has begun here, and another instance may begin the request
   */
  async #attempt(mustWait: boolean): Promise<ServiceReply | "elsewhere" | undefined> {
    const { context, handOver, proofs } = this.#host;
    const message = this.#message;
    const { state } = context.beat();
    if (!mustWait && (state !== "ready" || this.#host.isFull()) && !this.#isForUs) {
      // No request of a stranger is carried to another instance.
      proofs.check(message);
      if (await handOver.give(message)) return undefined;
    }
    if (isClosing(context) && !isOurs(message)) {
      if (!this.#isForUs && (await handOver.giveToWait(message))) return undefined;
      throw closing();
    }
    if (this.#host.isFull()) throw tooMany();
    const request = await proofs.open(message);
    this.#isProven = true;
    if (request.kind === "new") return this.#begin(request, mustWait);
    try {
      return await (request.kind === "again" ? again(request) : this.#giveTo(request.instance));
    } finally {
      request.close();
    }
  }

  async #begin(request: NewRequest, mustWait: boolean): Promise<ServiceReply | "elsewhere" | undefined> {
    let key: KeyOwner | undefined;
    const end = async (hasBegun: boolean): Promise<void> => {
      await key?.ended(hasBegun);
      request.began(undefined);
      request.close();
    };
    try {
      key = await this.#ownerOfKey(request);
      if (key !== undefined && key.instance !== this.#host.context.instance) {
        await request.release();
        return await this.#giveTo(key.instance);
      }
      const reply = await this.#run(request, mustWait || key !== undefined || this.#isForUs);
      if (reply === "elsewhere") await request.release();
      return reply;
    } finally {
      if (key === undefined || this.#left === undefined) await end(this.#hasBegun);
      else this.#host.left(this.#left, end);
    }
  }

  /** Resolves to undefined when the request has no key, or is for this instance alone. */
  async #ownerOfKey(request: NewRequest): Promise<KeyOwner | undefined> {
    const { idempotencyKey } = wishesOf(this.#message.headers);
    if (idempotencyKey === undefined || this.#message.isBound || request.isBound) return undefined;
    return this.#host.proofs.ownerOfKey(request, idempotencyKey);
  }

  async #giveTo(instance: string): Promise<undefined> {
    // The other instance has claimed the request, so it does not matter which instances had it before.
    if (await this.#host.handOver.to(instance, this.#message, [])) return undefined;
    throw new IscepError("lost", "the instance that has this request is gone, or takes nothing now");
  }

  /**
   * Resolves to `elsewhere` when the request would have to wait here and another instance may begin it, or when it waited
   * and the server closes.
   */
  async #run(request: NewRequest, mustWait: boolean): Promise<ServiceReply | "elsewhere"> {
    const { context, handOver } = this.#host;
    const { command, payload, traceparent } = this.#message;
    const { timeoutMs = longestTimeoutMs, detach, idempotencyKey } = wishesOf(this.#message.headers);
    const args = argumentsOf(payload, context.server.limits);
    const key = idempotencyKey ?? (request.nonce === undefined ? undefined : `nats ${request.nonce}`);
    const wait = mustWait || !handOver.isPossible(this.#message);
    const handle = request.client.run(command, args, {
      timeoutMs,
      output: false,
      wait,
      ...(detach ? { detach } : {}),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...(traceparent === undefined ? {} : { traceparent }),
    });
    handle.id.then(
      (run) => {
        this.#hasBegun = true;
        request.began(run);
      },
      () => {},
    );
    const outcome = await told(handle, detach);
    const run = await handle.id.catch(() => undefined);
    if (outcome?.status === "rejected") {
      // A run that is refused after a slow check of its arguments, or after a wait, has its id before.
      this.#hasBegun = false;
      const mayBegin = mayBeginElsewhere(outcome.error.code) && !this.#isForUs;
      if (mayBegin && (!wait || isClosing(context))) {
        this.#refusal = replyOf(outcome, run, context.broker.maxPayloadBytes);
        return "elsewhere";
      }
    }
    if (outcome !== undefined) return replyOf(outcome, run, context.broker.maxPayloadBytes);
    if (run !== undefined) this.#left = { run, outcome: handle.outcome };
    return knownReply(run ?? "", "running");
  }
}

async function again({ client, run }: Extract<KnownRequest, { kind: "again" }>): Promise<ServiceReply> {
  if (run === undefined)
    throw new IscepError("unauthorized", "this proof was used before; make a new one for each request");
  // The reply subject may be another one than before, and belong to somebody who listened. So the answer contains no value.
  const { runs } = await client.runs({ run });
  return knownReply(run, runs[0]?.status ?? "lost");
}

/** The outcome; undefined if the caller does not want to wait for it, and the run has begun. */
async function told(handle: RunHandle, detach: boolean): Promise<Outcome | undefined> {
  if (!detach) return handle.outcome;
  const run = await handle.id.catch(() => undefined);
  return run === undefined ? handle.outcome : undefined;
}

/**
 * True when another instance gives us a request that we must take, because we have claimed it, or because its giver
 * closes and nobody has room. Such a request names no tried instances.
 */
export function isOurs({ giver, tried }: ServiceMessage): boolean {
  return giver !== undefined && tried.length === 0;
}

export function tooMany(): IscepError {
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
