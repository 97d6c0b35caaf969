/** Says who sends a request without a session, and whether it came before. */
import type { Client } from "../../../client/client.js";
import { IscepError, toIscepError } from "../../../errors.js";
import { Claims, keyName } from "../../../nats/queue/claims.js";
import { queueClaims } from "../../../nats/queue/work-queue.js";
import { natsSource } from "../../../nats/subjects.js";
import { RequestMemory } from "../../../session/request-memory.js";
import { isProvenRequest, readProofHeader, toAny, type RequestProof } from "../../../session/request-proof.js";
import type { Requester, TokenProof } from "../../built-in-door.js";
import type { NatsPartContext } from "../parts/part.js";
import type { ServiceMessage } from "./message.js";
import { maxValueBytes } from "./reply.js";

/** Stands for all callers who have proven nothing, on a server that asks for no token. */
const nobody = "-";

/** A request that is new here. */
export interface NewRequest {
  readonly kind: "new";
  readonly client: Client;
  /** The name of the request as an idempotency key; undefined if it has none. */
  readonly nonce: string | undefined;
  /** Its proof names this instance, so it may not be given to another one. */
  readonly isBound: boolean;
  /** Keeps its run, for callers who send it again. undefined: it was refused. This must be called, unless `release` is. */
  began(run: string | undefined): void;
  /** Nothing was begun, so another instance may take the request. */
  release(): Promise<void>;
  close(): void;
}

export type KnownRequest =
  | NewRequest
  /** The request came before, and has begun this run here. undefined: it was refused. */
  | { readonly kind: "again"; readonly client: Client; readonly run: string | undefined; close(): void }
  /** Another instance has the request. */
  | { readonly kind: "elsewhere"; readonly instance: string; close(): void };

export interface KeyOwner {
  /** The instance at which the run of the key is, or will be. */
  readonly instance: string;
  /** This must be called. When no run has begun with the key, the key is released. */
  ended(hasBegun: boolean): Promise<void>;
}

/** What became of a request: its run here (undefined: it was refused), or the instance that has it, or nothing. */
type Fate = { readonly run: string | undefined } | { readonly instance: string } | "released";

export class ServiceProofs {
  readonly #context: NatsPartContext;
  readonly #memory: RequestMemory<Promise<Fate>>;
  readonly #claims: Claims;
  readonly #keys: Claims;
  /** Keys of requests that are under way here. A request whose key is being released waits until that is done. */
  readonly #keysInUse = new Map<string, { requests: number; released?: Promise<void> }>();
  readonly #requester: Requester;
  #anonymous: Client | undefined;

  constructor(context: NatsPartContext) {
    this.#context = context;
    this.#requester = { source: natsSource, maxValueBytes: () => maxValueBytes(context.broker.maxPayloadBytes) };
    const { natsClockSkewMs, natsMaxRememberedRequests, natsMaxAllRememberedRequests, natsMaxClaims } =
      context.server.limits;
    // A proof is good from when its time is so far ahead until it is so far behind.
    const keepMs = 2 * natsClockSkewMs + 1_000;
    this.#memory = new RequestMemory({
      keepMs,
      maxOfOne: natsMaxRememberedRequests,
      maxInAll: natsMaxAllRememberedRequests,
    });
    this.#keys = queueClaims(context.broker, context.service, context.server.limits);
    const bucket = `iscep-requests_${context.service}`;
    this.#claims = new Claims(context.broker, bucket, { keepMs, maxClaims: natsMaxClaims });
  }

  /** @throws IscepError `unauthorized`; `busy` when it cannot be known whether the request came before */
  async open(message: ServiceMessage): Promise<KnownRequest> {
    if (message.proof === undefined) return this.#unnamed();
    const proof = this.#readProof(message.proof);
    const client = this.#clientOf(proof, message);
    try {
      return await this.#named(proof, client);
    } catch (error) {
      void client.close();
      throw error;
    }
  }

  /**
   * Checks the proof as `open` does, but does not remember the request, so it may be opened afterwards.
   * @throws IscepError `unauthorized`
   */
  check(message: ServiceMessage): void {
    if (this.#context.server.access !== "tokens") return;
    if (message.proof === undefined) throw new IscepError("unauthorized");
    void this.#clientOf(this.#readProof(message.proof), message).close();
  }

  /** @throws IscepError `unauthorized` */
  #readProof(text: string): RequestProof {
    const proof = readProofHeader(text);
    if (proof === undefined) throw refused("the header Iscep-Proof cannot be read (PROTOCOL.md)");
    this.#checkTerms(proof);
    return proof;
  }

  /** @throws IscepError `unauthorized` */
  #clientOf(proof: RequestProof, message: ServiceMessage): Client {
    const { server, service } = this.#context;
    if (proof.proven === undefined && server.access === "tokens") throw new IscepError("unauthorized");
    return server.clientOf({ ...this.#requester, proof: tokenProofOf(proof, service, message) });
  }

  /**
   * The instance at which the run of an idempotency key is, or will be: the first that was asked for it.
   * @throws IscepError `busy` when nobody can know
   */
  async ownerOfKey({ client }: NewRequest, idempotencyKey: string): Promise<KeyOwner> {
    const { owner } = await client.whoAmI();
    const own = this.#context.instance;
    const key = `requests.${keyName(owner, idempotencyKey)}`;
    let use = this.#keysInUse.get(key);
    for (; use?.released !== undefined; use = this.#keysInUse.get(key)) await use.released;
    use ??= { requests: 0 };
    use.requests++;
    this.#keysInUse.set(key, use);
    const ended = async (instance: string, hasBegun: boolean): Promise<void> => {
      if (--use.requests > 0) return;
      const isFree = instance === own && !hasBegun;
      use.released = (isFree ? this.#release(key, client, idempotencyKey) : Promise.resolve()).finally(() =>
        this.#keysInUse.delete(key),
      );
      await use.released;
    };
    try {
      const instance = await this.#keys.claim(key, own);
      return { instance, ended: (hasBegun) => ended(instance, hasBegun) };
    } catch (error) {
      await ended("", false);
      throw unknownRequest("an idempotency key", error);
    }
  }

  /** Lets the key go to any instance, unless a run of it is kept here. While this fails, it is tried here again. */
  async #release(key: string, client: Client, idempotencyKey: string): Promise<void> {
    try {
      const { runs } = await client.runs({ idempotencyKey });
      if (runs.length === 0) await this.#keys.release(key, this.#context.instance);
    } catch (error) {
      this.#context.server.report(`an idempotency key was not released: ${toIscepError(error).message}`, error);
    }
  }

  #unnamed(): NewRequest {
    // On a server with tokens, each call of this client is refused, as it has none. Without tokens, one client serves all.
    const client = (this.#anonymous ??= this.#context.server.clientOf(this.#requester));
    const nothing = (): void => {};
    return {
      kind: "new",
      client,
      nonce: undefined,
      isBound: false,
      began: nothing,
      release: async () => {},
      close: nothing,
    };
  }

  /** @throws IscepError `unauthorized` */
  #checkTerms({ to, timeMs }: RequestProof): void {
    const { server, instance } = this.#context;
    const { natsClockSkewMs } = server.limits;
    const aheadMs = timeMs - Date.now();
    if (Math.abs(aheadMs) > natsClockSkewMs) {
      throw refused(
        `its time is ${Math.round(Math.abs(aheadMs) / 1_000)} s ${aheadMs > 0 ? "ahead of" : "behind"} the server's clock, and may differ by at most ${natsClockSkewMs / 1_000} s; make a new proof for each request, and set the clock`,
      );
    }
    if (to !== toAny && to !== instance) throw refused("it is for another instance, or for the queue");
  }

  async #named(proof: RequestProof, client: Client): Promise<KnownRequest> {
    const { to, nonce, proven } = proof;
    const caller = proven?.reference ?? nobody;
    let settle: (fate: Fate) => void = () => {};
    const fate = new Promise<Fate>((resolve) => (settle = resolve));
    const earlier = this.#memory.claim(caller, nonce, performance.now(), () => fate);
    const close = (): void => void client.close();
    if (earlier === "full")
      throw new IscepError("busy", "this token has sent too many single requests; use a session, or try again later");
    if (earlier !== undefined) {
      const found = await earlier.kept;
      if (found === "released") return this.#named(proof, client);
      return "run" in found
        ? { kind: "again", client, run: found.run, close }
        : { kind: "elsewhere", instance: found.instance, close };
    }
    const isShared = to === toAny && proven !== undefined;
    const key = `${caller}.${nonce}`;
    const forget = (): void => {
      this.#memory.release(caller, nonce);
      settle("released");
    };
    if (isShared) {
      try {
        const instance = await this.#claims.claim(key, this.#context.instance);
        if (instance !== this.#context.instance) {
          settle({ instance });
          return { kind: "elsewhere", instance, close };
        }
      } catch (error) {
        forget();
        throw unknownRequest("a proof", error);
      }
    }
    return {
      kind: "new",
      client,
      nonce,
      isBound: to !== toAny,
      began: (run) => settle({ run }),
      release: async () => {
        // Other instances must find the request free before it can be taken again here.
        if (isShared) await this.#claims.release(key, this.#context.instance);
        forget();
      },
      close,
    };
  }

  close(): void {
    void this.#anonymous?.close();
  }
}

export function tokenProofOf(
  { proven, to, timeMs, nonce }: RequestProof,
  service: string,
  { command, payload, headers }: Pick<ServiceMessage, "command" | "payload" | "headers">,
): TokenProof | undefined {
  if (proven === undefined) return undefined;
  const request = { service, command, to, timeMs, nonce, headers, payload };
  return {
    reference: proven.reference,
    isProvenBy: (storedKey) => isProvenRequest(storedKey, proven.proof, request),
  };
}

function refused(reason: string): IscepError {
  return new IscepError("unauthorized", `the proof of the request does not count: ${reason}`);
}

/** Nobody can say whether another instance has run the request. */
function unknownRequest(what: string, cause: unknown): IscepError {
  const reason = cause instanceof Error ? cause.message : "it is gone";
  return new IscepError(
    "busy",
    `${what} for any instance needs JetStream, so that no two instances run it: ${reason}. Or send the request to the subject of one instance, with to=INSTANCE in its proof`,
    { cause },
  );
}
