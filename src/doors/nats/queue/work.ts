/** Takes durable calls from the queue while this server has room: claims one, then acknowledges it, then runs it. */
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import { setTimeout as pause } from "node:timers/promises";
import type { Client } from "../../../client/client.js";
import { IscepError, isIscepError, toIscepError } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import { callSubjects } from "../../../nats/call-subjects.js";
import type { Claims } from "../../../nats/queue/claims.js";
import { isRefusal } from "../../../nats/queue/jetstream-faults.js";
import { isInbox, natsSource } from "../../../nats/subjects.js";
import { openWorkQueue, queueClaims, type WorkQueue } from "../../../nats/queue/work-queue.js";
import { durableMessage } from "../../../session/request-proof.js";
import type { NatsPart, NatsPartContext } from "../parts/part.js";
import { Rate } from "../../../nats/rate.js";
import { beginCall, callerOf, keyClaimOf, readQueuedCall, type KeyClaim, type QueuedCall } from "./queued-call.js";
import { QueueStates } from "./states.js";

const retryMs = 500;
const droppedLineMs = 60_000;

export function openQueueWork(context: NatsPartContext): NatsPart {
  return new QueueWork(context);
}

class QueueWork implements NatsPart {
  readonly #context: NatsPartContext;
  readonly #claims: Claims;
  readonly #states: QueueStates;
  readonly #questions: Rate;
  readonly #closed = new AbortController();
  readonly #draining = new AbortController();
  readonly #unlisten: readonly (() => void)[];
  readonly #stopAnswers: () => void;
  readonly #work: Promise<void>;
  readonly #runs = new Set<Promise<void>>();
  #queue: WorkQueue | undefined;
  #pull: ConsumerMessages | undefined;
  #changed: (() => void)[] = [];
  #wasTold: string | undefined;
  #drops = 0;
  #droppedAtMs = Number.NEGATIVE_INFINITY;

  constructor(context: NatsPartContext) {
    const { broker, server, service } = context;
    this.#context = context;
    this.#claims = queueClaims(broker, service, server.limits);
    this.#states = new QueueStates(context, this.#claims);
    this.#questions = new Rate(server.limits.natsMaxDiscoveriesPerSecond);
    const wake = (): void => this.#wake();
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

  /** A caller with a token names the token, and gets a proof with its keys in front of the answer. */
  #publish(reply: string, [run = "", reference, nonce = ""]: readonly string[], answer: object): void {
    const { broker, server, service } = this.#context;
    const text = JSON.stringify(answer);
    if (reference === undefined) return broker.publish(reply, text);
    const message = durableMessage(service, run, nonce, Buffer.from(text));
    const proof = server.proofTo(reference, natsSource, message)?.toString("base64url") ?? "";
    broker.publish(reply, `${proof} ${text}`);
  }

  async #answer(question: readonly string[], reply: string): Promise<void> {
    const [run = ""] = question;
    try {
      this.#publish(reply, question, await this.#states.of(run, await this.#opened()));
    } catch (error) {
      this.#publish(reply, question, { error: toIscepError(error).message });
    }
  }

  async #opened(): Promise<WorkQueue> {
    const { broker, server, service } = this.#context;
    return (this.#queue ??= await openWorkQueue(broker, service, server.limits));
  }

  get #mayTake(): boolean {
    const { broker, beat } = this.#context;
    return broker.isConnected && beat().state === "ready" && !this.#draining.signal.aborted;
  }

  async #takeAll(): Promise<void> {
    while (!this.#draining.signal.aborted) {
      try {
        if (!this.#mayTake) await this.#change();
        else {
          await this.#takeOne();
          this.#wasTold = undefined;
        }
      } catch (error) {
        this.#tell(toIscepError(error));
        this.#queue = undefined;
        await pause(retryMs * 4, undefined, { signal: this.#draining.signal }).catch(() => {});
      }
    }
  }

  /** A broker without JetStream is reported once, and not each time that we ask. */
  #tell({ message }: IscepError): void {
    if (message === this.#wasTold || this.#draining.signal.aborted || !this.#context.broker.isConnected) return;
    this.#wasTold = message;
    this.#context.server.report(`durable calls are not taken: ${message}`);
  }

  #wake(): void {
    for (const changed of this.#changed.splice(0)) changed();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#changed.push(resolve));
  }

  async #takeOne(): Promise<void> {
    const { limits } = this.#context.server;
    const consumer = await (await this.#opened()).consumer();
    const pull = await consumer.fetch({ max_messages: 1, expires: limits.natsTakeMs });
    this.#pull = pull;
    if (this.#draining.signal.aborted) pull.stop();
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
    const read = this.#read(message);
    if (read === undefined) {
      message.term();
      return;
    }
    const { call, caller } = read;
    let isOurs = false;
    try {
      isOurs = await this.#claim(call.run);
    } catch (error) {
      // This instance has no claim. The call comes again later, perhaps to another instance.
      message.nak(this.#context.server.limits.natsRedeliverMs);
      throw error;
    } finally {
      if (!isOurs && !isIscepError(caller)) void caller.close();
    }
    if (!isOurs) {
      message.ack();
      return;
    }
    // It does not matter whether the broker hears this: other instances that get the call see that it is claimed.
    await message.ackAck().catch(() => false);
    const running = this.#run(call, caller).finally(() => this.#runs.delete(running));
    this.#runs.add(running);
  }

  /** Returns undefined for a message that is no valid call. No fault in reading a message may stop the messages behind it. */
  #read(message: JsMsg): { readonly call: QueuedCall; readonly caller: Client | IscepError } | undefined {
    let fault: unknown;
    try {
      const call = readQueuedCall(message, this.#context.service);
      const caller = call === undefined ? undefined : callerOf(this.#context, call);
      if (call !== undefined && caller !== undefined) return { call, caller };
    } catch (error) {
      fault = error;
    }
    this.#dropped(fault);
    return undefined;
  }

  /** Anybody who may write into the queue can send such messages, so they get few lines. */
  #dropped(fault: unknown): void {
    const nowMs = performance.now();
    this.#drops++;
    if (nowMs - this.#droppedAtMs < droppedLineMs) return;
    this.#droppedAtMs = nowMs;
    const how = `${this.#drops} since the last line like this`;
    this.#drops = 0;
    const reason = "its header Iscep-Proof does not fit it, or is of no token that is valid here";
    this.#context.server.report(`a durable call was dropped, because ${reason} (${how})`, fault);
  }

  /**
   * True when the call is ours. A claim whose result is not known is tried again.
   * @throws IscepError when the broker has refused the claim, or this server closes
   */
  async #claim(run: string): Promise<boolean> {
    const text = this.#states.started();
    const found = await this.#claimed(this.#states.keyOf(run), text, ({ cause }) => isRefusal(cause));
    return found === text && this.#states.begins(run);
  }

  /**
   * The run of an earlier call with the same idempotency key, which another instance may have taken. undefined: this
   * call is the first.
   * @throws IscepError `invalid_arguments` when the earlier call had another command or other arguments
   */
  async #sameCall({ key, text }: KeyClaim): Promise<string | undefined> {
    const [run, call] = text.split(" ");
    const [other, otherCall] = (await this.#claimed(key, text)).split(" ");
    if (otherCall === call) return other === run ? undefined : other;
    throw new IscepError("invalid_arguments", "this idempotency key belongs to another call; choose a new key");
  }

  async #claimed(key: string, text: string, isFinal?: (error: IscepError) => boolean): Promise<string> {
    for (;;) {
      try {
        return await this.#claims.claim(key, text);
      } catch (thrown) {
        const error = toIscepError(thrown);
        this.#tell(error);
        if (this.#closed.signal.aborted || isFinal?.(error) === true) throw error;
        await pause(retryMs, undefined, { signal: this.#closed.signal });
      }
    }
  }

  async #run(call: QueuedCall, caller: Client | IscepError): Promise<void> {
    let outcome: Outcome;
    let run: string | undefined;
    let key: KeyClaim | undefined;
    try {
      if (isIscepError(caller)) throw caller;
      key = await keyClaimOf(caller, call);
      const other = key === undefined ? undefined : await this.#sameCall(key);
      if (other !== undefined) {
        await this.#written(() => this.#states.joined(call.run, other));
        await caller.close();
        return;
      }
      const handle = beginCall(caller, this.#context.server.limits, call);
      outcome = await handle.outcome;
      run = await handle.id.catch(() => undefined);
    } catch (error) {
      outcome = { status: "rejected", error: toIscepError(error) };
    }
    // The call never began, so a later call with the same key must not join it.
    if (outcome.status === "rejected" && key !== undefined) {
      const { key: name, text } = key;
      await this.#written(() => this.#claims.release(name, text));
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

  /** Writes until the broker has it, because the caller may ask when this server is gone. */
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
    this.#stopTaking();
    // A call that is being claimed at this moment begins, or is refused.
    await this.#work;
    while (this.#runs.size > 0) await Promise.all(this.#runs);
  }

  #stopTaking(): void {
    this.#pull?.stop();
    this.#draining.abort();
    this.#wake();
  }

  close(): void {
    this.#closed.abort();
    this.#stopTaking();
    for (const unlisten of this.#unlisten) unlisten();
    if (!this.#context.broker.connection.isClosed()) this.#stopAnswers();
    void this.#work;
  }
}
