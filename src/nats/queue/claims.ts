/**
 * Decides which instance gets a thing: the first one that claims it, as long as the broker keeps the claim. Claims lie
 * in a bucket of JetStream's key-value store, which survives a restart of the broker.
 */
import type { KV } from "@nats-io/kv";
import { createHash } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { IscepError } from "../../errors.js";
import type { Broker } from "../broker.js";
import { beingMadeMs, codeOf, isConflict, isWithoutAnswer, jetStreamFault, noStream } from "./jetstream-faults.js";
import { makeStream } from "./streams.js";

export interface ClaimsOptions {
  /** How long a claim is kept, in milliseconds. */
  readonly keepMs: number;
  /** How many claims are kept. One more is refused. */
  readonly maxClaims: number;
}

const nanos = 1_000_000;
/** Enough: the longest claim has some 400 bytes with its headers. */
const maxClaimBytes = 1_024;

/** The name of an owner's idempotency key among the claims. */
export function keyName(owner: string, idempotencyKey: string): string {
  return createHash("sha256").update(`${owner}\0${idempotencyKey}`).digest("hex");
}

export class Claims {
  readonly #broker: Broker;
  readonly #bucket: string;
  readonly #options: ClaimsOptions;
  #opening: Promise<KV> | undefined;

  constructor(broker: Broker, bucket: string, options: ClaimsOptions) {
    this.#broker = broker;
    this.#bucket = bucket;
    this.#options = options;
  }

  /** The bucket is opened when it is needed first, and made if there is none. */
  async #use<T>(work: (bucket: KV) => Promise<T>): Promise<T> {
    const opening = (this.#opening ??= this.#make());
    let isOpen = false;
    try {
      const bucket = await opening;
      isOpen = true;
      return await work(bucket);
    } catch (error) {
      // A bucket may be gone later, as after the broker came back without its disk. The next call makes it again.
      const isGone = !isOpen || isWithoutAnswer(error) || codeOf(error) === noStream;
      if (isGone && this.#opening === opening) this.#opening = undefined;
      throw isConflict(error) ? error : jetStreamFault(this.#broker.where, error);
    }
  }

  async #make(): Promise<KV> {
    const [{ jetstream, jetstreamManager }, { Kvm }] = await Promise.all([
      import("@nats-io/jetstream"),
      import("@nats-io/kv"),
    ]);
    const { keepMs, maxClaims } = this.#options;
    const { connection } = this.#broker;
    // The library has no bound for the number of keys, so we make the stream of the bucket (ADR-8 of NATS) ourselves.
    await makeStream(await jetstreamManager(connection, { checkAPI: false }), {
      name: `KV_${this.#bucket}`,
      subjects: [`$KV.${this.#bucket}.>`],
      max_msgs_per_subject: 1,
      max_age: keepMs * nanos,
      max_msgs: maxClaims,
      max_msg_size: maxClaimBytes,
      allow_rollup_hdrs: true,
    });
    // The copy on another server of a cluster may be older than a claim, so only the leader is asked.
    const bucket = await new Kvm(jetstream(connection)).open(this.#bucket, { allow_direct: false });
    await listens(bucket);
    return bucket;
  }

  /**
   * Claims the key, if nobody has it yet. Resolves to the text that counts: this text, or that of the first claim.
   * @throws IscepError `busy` when the broker has no room or does not answer, `unauthorized` when it does not allow
   *   it. Unless the cause of the error `isRefusal`, the claim may have been made, so ask again with the same text
   */
  async claim(key: string, text: string): Promise<string> {
    try {
      await this.#use((bucket) => bucket.create(key, text));
      return text;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    const found = await this.get(key);
    if (found !== undefined) return found;
    throw new IscepError("busy", "a claim was given up at this moment; try again");
  }

  /** @throws IscepError `busy`, `unauthorized` */
  async get(key: string): Promise<string | undefined> {
    const entry = await this.#use((bucket) => bucket.get(key));
    return entry === null || entry.operation !== "PUT" ? undefined : entry.string();
  }

  /** Replaces the text of the key. @throws IscepError `busy`, `unauthorized` */
  async set(key: string, text: string): Promise<void> {
    await this.#use((bucket) => bucket.put(key, text));
  }

  /**
   * Gives a claim with this text up: then anybody may claim the key. A claim with another text stays. @throws
   * IscepError `busy`, `unauthorized`
   */
  async release(key: string, text: string): Promise<void> {
    try {
      await this.#use(async (bucket) => {
        const entry = await bucket.get(key);
        if (entry?.operation === "PUT" && entry.string() === text)
          await bucket.purge(key, { previousSeq: entry.revision });
      });
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

/**
 * Resolves when the broker listens for the bucket. While another instance makes the bucket, the broker tells of it a
 * moment before that. A claim at that moment would get no answer, and nats-server 2.9 breaks down when it is asked for
 * a key.
 */
async function listens(bucket: KV): Promise<void> {
  for (let triesLeft = 10; ; triesLeft--) {
    try {
      // This writes nothing, because no key has such a revision.
      await bucket.put("listens", "", { previousSeq: Number.MAX_SAFE_INTEGER });
      return;
    } catch (error) {
      // Whatever the broker answers, it listens.
      if (codeOf(error) !== undefined) return;
      if (!isWithoutAnswer(error) || triesLeft === 0) throw error;
      await pause(beingMadeMs);
    }
  }
}
