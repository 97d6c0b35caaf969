/** Takes durable calls from the queue while this server has room: claims one, then acknowledges it, then runs it. */
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "../../../client/client.js";
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import { IscepError, isIscepError, toIscepError } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import { callSubjects, submittedOf } from "../../../nats/call-subjects.js";
import type { Claims } from "../../../nats/queue/claims.js";
import { noToken } from "../../../nats/queue/durable.js";
import { isInbox, natsSource } from "../../../nats/subjects.js";
import { openWorkQueue, queueClaims, type WorkQueue } from "../../../nats/queue/work-queue.js";
import {
  durableMessage,
  queuedRunId,
  readProofHeader,
  toQueue,
  type RequestProof,
} from "../../../session/request-proof.js";
import type { TokenProof } from "../../door.js";
import type { NatsPart, NatsPartContext } from "../part.js";
import { Rate } from "../../../nats/rate.js";
import { QueueStates } from "./states.js";
import { argumentsOf, headerOf, proofName, provenHeadersOf, wishesOf } from "../service/message.js";
import { tokenProofOf } from "../service/proofs.js";

const retryMs = 500;
const droppedLineMs = 60_000;
const longestTimeoutMs = 2 ** 31 - 1;

/** A call as it came from the queue. */
interface QueuedCall {
  readonly run: string;
  readonly command: string;
  readonly payload: Buffer;
  readonly proof: RequestProof;
  readonly message: JsMsg;
}

export function openQueueWork(context: NatsPartContext): NatsPart {
  return new QueueWork(context);
}

class QueueWork implements NatsPart {
  readonly #context: NatsPartContext;
  readonly #claims: Claims;
  readonly #states: QueueStates;
  readonly #questions: Rate;
  readonly #closed = new AbortController();
  readonly #unlisten: readonly (() => void)[];
  readonly #stopAnswers: () => void;
  readonly #work: Promise<void>;
  readonly #runs = new Set<Promise<void>>();
  #queue: WorkQueue | undefined;
  #pull: ConsumerMessages | undefined;
  #changed: (() => void)[] = [];
  #isDraining = false;
  #wasTold: string | undefined;
  #drops = 0;
  #droppedAtMs = Number.NEGATIVE_INFINITY;

  constructor(context: NatsPartContext) {
    const { broker, server, service } = context;
    this.#context = context;
    this.#claims = queueClaims(broker, service, server.limits);
    this.#states = new QueueStates(context, this.#claims);
    this.#questions = new Rate(server.limits.natsMaxDiscoveriesPerSecond);
    const wake = (): void => {
      for (const changed of this.#changed.splice(0)) changed();
    };
    this.#unlisten = [server.onLoadChanged(wake), broker.listen({ back: wake })];
    const answers = broker.subscribe(
      callSubjects.durable(service),
      ({ data, reply }) => {
        if (this.#questions.take() && isInbox(reply))
          void this.#answer(Buffer.from(data.subarray(0, 256)).toString("latin1").split(" ", 3), reply);
      },
      "iscep",
    );
    this.#stopAnswers = () => answers.unsubscribe();
    this.#work = this.#takeAll();
  }

  /** A caller with a token names it, and gets the answer behind a proof of that token. */
  #publish(reply: string, [run = "", reference, nonce = ""]: readonly string[], answer: object): void {
    const { broker, server, service } = this.#context;
    const text = JSON.stringify(answer);
    if (reference === undefined) return broker.publish(reply, text);
    const message = durableMessage(service, run, nonce, Buffer.from(text));
    const proof = server.proofTo(reference, natsSource, message)?.toString("base64url") ?? "";
    broker.publish(reply, `${proof} ${text}`);
  }

  async #answer(question: readonly string[], reply: string): Promise<void> {
    const { broker, server, service } = this.#context;
    const [run = ""] = question;
    try {
      const queue = (this.#queue ??= await openWorkQueue(broker, service, server.limits));
      this.#publish(reply, question, await this.#states.of(run, queue));
    } catch (error) {
      this.#publish(reply, question, { error: toIscepError(error).message });
    }
  }

  get #mayTake(): boolean {
    return this.#context.broker.isConnected && this.#context.beat().state === "ready" && !this.#isDraining;
  }

  async #takeAll(): Promise<void> {
    while (!this.#isDraining) {
      try {
        if (this.#mayTake) await this.#takeOne();
        else await this.#change();
      } catch (error) {
        this.#tell(toIscepError(error));
        this.#queue = undefined;
        await pause(retryMs * 4, undefined, { signal: this.#closed.signal }).catch(() => {});
      }
    }
  }

  /** A broker without JetStream is said once, and not each time that we ask. */
  #tell({ message }: IscepError): void {
    if (message === this.#wasTold || this.#isDraining || !this.#context.broker.isConnected) return;
    this.#wasTold = message;
    this.#context.server.report(`durable calls are not taken: ${message}`);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  async #takeOne(): Promise<void> {
    const { broker, server, service } = this.#context;
    const { limits } = server;
    this.#queue ??= await openWorkQueue(broker, service, limits);
    const consumer = await this.#queue.consumer();
    this.#wasTold = undefined;
    const pull = await consumer.fetch({ max_messages: 1, expires: limits.natsTakeMs });
    this.#pull = pull;
    try {
      for await (const message of pull) {
        if (this.#mayTake) await this.#take(message);
        else message.nak();
      }
    } finally {
      this.#pull = undefined;
    }
  }

  async #take(message: JsMsg): Promise<void> {
    const call = this.#read(message);
    const caller = call === undefined ? undefined : this.#callerOf(call);
    if (call === undefined || caller === undefined) {
      message.term();
      this.#dropped();
      return;
    }
    let isOurs = false;
    try {
      isOurs = await this.#claim(call.run);
    } finally {
      if (!isOurs && !isIscepError(caller)) void caller.close();
    }
    if (!isOurs) {
      message.ack();
      return;
    }
    // Whether the broker hears this does not matter: it may give the call to others, who see that it is claimed.
    await message.ackAck().catch(() => false);
    const running = this.#run(call, caller).finally(() => this.#runs.delete(running));
    this.#runs.add(running);
  }

  /** Anybody who may write into the queue can send such messages, so they get few lines. */
  #dropped(): void {
    const nowMs = performance.now();
    this.#drops++;
    if (nowMs - this.#droppedAtMs < droppedLineMs) return;
    this.#droppedAtMs = nowMs;
    const how = `${this.#drops} since the last line like this`;
    this.#drops = 0;
    this.#context.server.report(`a durable call was dropped, because its header Iscep-Proof does not fit it (${how})`);
  }

  #read(message: JsMsg): QueuedCall | undefined {
    const { service } = this.#context;
    const { run, command } = submittedOf(message.subject, service);
    const proof = readProofHeader(headerOf(message.headers, proofName) ?? "");
    if (proof === undefined || proof.to !== toQueue) return undefined;
    const { data } = message;
    const payload = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const { timeMs, nonce, proven, to } = proof;
    const request = { service, command, to, timeMs, nonce, headers: {}, payload };
    if (queuedRunId(request, proven?.reference ?? noToken) !== run) return undefined;
    return { run, command, payload, proof, message };
  }

  /** True when it is ours. A claim of which nobody knows whether it was made is made again until somebody knows. */
  async #claim(run: string): Promise<boolean> {
    const text = this.#states.started();
    return (await this.#claimed(this.#states.keyOf(run), text)) === text && this.#states.begins(run);
  }

  /**
   * The run of an earlier call with the same idempotency key, which another instance may have taken. undefined: this call
   * is the first.
   * @throws IscepError `invalid_arguments` when that was a call of something else
   */
  async #sameCall(client: Client, { run, command, payload, message }: QueuedCall): Promise<string | undefined> {
    const { idempotencyKey } = wishesOf(provenHeadersOf(message.headers));
    if (idempotencyKey === undefined) return undefined;
    const { owner } = await client.whoAmI();
    const name = createHash("sha256").update(`${owner}\0${idempotencyKey}`).digest("hex");
    const call = createHash("sha256").update(`${command}\0`).update(payload).digest("base64url");
    const [other, otherCall] = (await this.#claimed(`durable.${name}`, `${run} ${call}`)).split(" ");
    if (otherCall === call) return other === run ? undefined : other;
    throw new IscepError("invalid_arguments", "this idempotency key belongs to another call; choose a new key");
  }

  async #claimed(key: string, text: string): Promise<string> {
    for (;;) {
      try {
        return await this.#claims.claim(key, text);
      } catch (error) {
        this.#tell(toIscepError(error));
        if (this.#closed.signal.aborted) throw error;
        await pause(retryMs, undefined, { signal: this.#closed.signal });
      }
    }
  }

  async #run(call: QueuedCall, caller: Client | IscepError): Promise<void> {
    let outcome: Outcome;
    let run: string | undefined;
    try {
      if (isIscepError(caller)) throw caller;
      const other = await this.#sameCall(caller, call);
      if (other !== undefined) {
        await this.#written(() => this.#states.joined(call.run, other));
        await caller.close();
        return;
      }
      const handle = this.#begin(caller, call);
      outcome = await handle.outcome;
      run = await handle.id.catch(() => undefined);
    } catch (error) {
      outcome = { status: "rejected", error: toIscepError(error) };
    }
    const end = {
      instance: this.#context.instance,
      status: outcome.status,
      ...("error" in outcome ? { code: outcome.error.code } : {}),
      ...(run === undefined || run === call.run ? {} : { run }),
    };
    await this.#written(() => this.#states.ended(call.run, end));
    if (!isIscepError(caller)) await caller.close();
  }

  /**
   * The token must be valid now: one that was removed while the call waited starts nothing, and its caller hears of that.
   * undefined for a proof that the token has not made: somebody else must not be able to take the place of a call.
   */
  #callerOf({ run, command, payload, proof, message }: QueuedCall): Client | IscepError | undefined {
    const { server, service } = this.#context;
    const { natsClockSkewMs, natsDurableMs } = server.limits;
    if (proof.proven === undefined && server.access === "tokens") return new IscepError("unauthorized");
    const token = tokenProofOf(proof, service, { command, payload, headers: provenHeadersOf(message.headers) });
    const open = (by: TokenProof | undefined): Client | IscepError => {
      try {
        return server.clientOf({ source: natsSource, proof: by, runId: run });
      } catch (error) {
        return toIscepError(error);
      }
    };
    const client = open(token);
    if (isIscepError(client)) {
      if (token === undefined) return client;
      const ofToken = open({ ...token, isProvenBy: () => true });
      if (isIscepError(ofToken)) return client;
      void ofToken.close();
      return undefined;
    }
    const ageMs = Date.now() - proof.timeMs;
    if (ageMs <= natsDurableMs && ageMs >= -natsClockSkewMs) return client;
    void client.close();
    return new IscepError("unauthorized", "the proof of the call is too old, or its time has not come yet");
  }

  /** @throws IscepError when the request cannot be understood */
  #begin(client: Client, { command, payload, proof, message }: QueuedCall): RunHandle {
    const { timeoutMs = longestTimeoutMs, idempotencyKey } = wishesOf(provenHeadersOf(message.headers));
    const args = argumentsOf(payload, this.#context.server.limits);
    const traceparent = headerOf(message.headers, "traceparent");
    return client.run(command, args, {
      timeoutMs,
      output: false,
      detach: true,
      idempotencyKey: idempotencyKey ?? `nats ${proof.nonce}`,
      ...(traceparent === undefined ? {} : { traceparent }),
    });
  }

  /** Its caller may ask when this server is gone. */
  async #written(write: () => Promise<void>): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        await write();
        return;
      } catch {
        await pause(retryMs, undefined, { signal: this.#closed.signal }).catch(() => {});
      }
    }
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#pull?.stop();
    for (const changed of this.#changed.splice(0)) changed();
    await Promise.all(this.#runs);
  }

  close(): void {
    this.#isDraining = true;
    this.#closed.abort();
    this.#pull?.stop();
    for (const changed of this.#changed.splice(0)) changed();
    for (const unlisten of this.#unlisten) unlisten();
    if (!this.#context.broker.connection.isClosed()) this.#stopAnswers();
    void this.#work;
  }
}
