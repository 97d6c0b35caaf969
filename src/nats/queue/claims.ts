/**
 * Decides which instance gets a thing: the first one that claims it, as long as the broker keeps the claim. Claims lie
 * in a bucket of JetStream's key-value store, which survives a restart of the broker.
 */
import type { KV } from "@nats-io/kv";
import { setTimeout as pause } from "node:timers/promises";
import { IscepError } from "../../errors.js";
import { beingMadeMs, isBeingMade, isConflict, jetStreamFault } from "./jetstream-faults.js";
import type { Broker } from "../broker.js";

export interface ClaimsOptions {
  /** How long a claim is kept, in milliseconds. */
  readonly keepMs: number;
  readonly maxBytes: number;
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
  async #open(): Promise<KV> {
    const opening = (this.#opening ??= this.#make().catch(async (error: unknown) => {
      if (!isBeingMade(error)) throw error;
      await pause(beingMadeMs);
      return this.#make();
    }));
    try {
      return await opening;
    } catch (error) {
      this.#opening = undefined;
      throw jetStreamFault(this.#broker.where, error);
    }
  }

  async #make(): Promise<KV> {
    const [{ jetstream }, { Kvm }] = await Promise.all([import("@nats-io/jetstream"), import("@nats-io/kv")]);
    const { keepMs, maxBytes } = this.#options;
    const buckets = new Kvm(jetstream(this.#broker.connection));
    // The copy on another server of a cluster may be older than a claim, so only the leader is asked.
    return buckets.create(this.#bucket, { ttl: keepMs, max_bytes: maxBytes, history: 1, allow_direct: false });
  }

  /**
   * Claims the key, if nobody has it yet. Resolves to the text that counts: this text, or that of the first claim.
   * @throws IscepError `busy` when the broker has no room or does not answer, `unauthorized` when it does not allow
   *   it. After `busy` the claim may be made all the same, so ask again with the same text
   */
  async claim(key: string, text: string): Promise<string> {
    const bucket = await this.#open();
    try {
      await bucket.create(key, text);
      return text;
    } catch (error) {
      if (!isConflict(error)) throw jetStreamFault(this.#broker.where, error);
    }
    const found = await this.get(key);
    if (found !== undefined) return found;
    throw new IscepError("busy", "a claim was given up at this moment; try again");
  }

  /** @throws IscepError `busy`, `unauthorized` */
  async get(key: string): Promise<string | undefined> {
    const bucket = await this.#open();
    try {
      const entry = await bucket.get(key);
      return entry === null || entry.operation !== "PUT" ? undefined : entry.string();
    } catch (error) {
      throw jetStreamFault(this.#broker.where, error);
    }
  }

  /** Replaces the text of the key. @throws IscepError `busy`, `unauthorized` */
  async set(key: string, text: string): Promise<void> {
    const bucket = await this.#open();
    try {
      await bucket.put(key, text);
    } catch (error) {
      throw jetStreamFault(this.#broker.where, error);
    }
  }

  /** Afterwards anybody may claim the key. @throws IscepError `busy`, `unauthorized` */
  async release(key: string): Promise<void> {
    const bucket = await this.#open();
    try {
      await bucket.purge(key);
    } catch (error) {
      throw jetStreamFault(this.#broker.where, error);
    }
  }
}
