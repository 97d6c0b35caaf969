/** Knows which instance has a run, or the run of an idempotency key. When it does not know, it asks all instances. */
import { createHash } from "node:crypto";
import { IscepError, toIscepError, type ErrorCode } from "../../errors.js";
import type { CallOptions, RunsOptions } from "../protocol/options.js";
import type { RunsPage } from "../../model/run-record.js";
import { BoundedMap } from "./bounded-map.js";
import type { Member } from "./member.js";
import type { Members } from "./members.js";

/** Errors of a member that is not there any more, or at which the token has no such run. */
const saysNothing: ReadonlySet<ErrorCode> = new Set(["connect_failed", "lost", "closed", "run_not_found"]);

interface GivenKey {
  readonly instance: string;
  /** Calls with the key that were given to the instance, without those that it refused. */
  readonly calls: number;
}

export interface Found {
  readonly member: Member;
  readonly page: RunsPage;
}

export class Whereabouts {
  readonly #members: Members;
  readonly #runs: BoundedMap<string>;
  readonly #keys: BoundedMap<GivenKey>;

  constructor(members: Members, most: number) {
    this.#members = members;
    this.#runs = new BoundedMap(most);
    this.#keys = new BoundedMap(most);
  }

  isAt(run: string, { instance }: Member): void {
    this.#runs.set(run, instance);
  }

  /**
   * The instance that has the run, and what it says of the run.
   * @throws IscepError `run_not_found`, and `lost` when its instance is gone, or may be
   */
  async ofRun(run: string, options: CallOptions | undefined): Promise<Found> {
    const known = this.#runs.get(run);
    const member = known === undefined ? undefined : this.#members.find(known);
    const query = { ...tokenOf(options), run };
    if (member !== undefined) {
      const page = await this.#ask(member, query);
      if (!(page instanceof IscepError)) return { member, page };
      if (page.code === "run_not_found") throw page;
    }
    const asked = await this.#members.known();
    const found = (await this.#first(asked, query)) ?? (await this.#first(await this.#others(asked), query));
    if (found !== undefined) {
      this.isAt(run, found.member);
      return found;
    }
    if (known !== undefined) throw new IscepError("lost", `the run was at the instance ${known}, which is gone`);
    if (this.#members.size === 0) {
      const reason = "no instance is there now that could know the run; ask again when one is there";
      throw new IscepError("connect_failed", reason);
    }
    throw new IscepError("run_not_found");
  }

  /** The instances that had not told of themselves when the first ones were asked. */
  async #others(asked: readonly Member[]): Promise<Member[]> {
    const all = await this.#members.answering(await this.#members.all());
    return all.filter((member) => !asked.includes(member));
  }

  /**
   * Where a call with this key must go: to the instance that has its run, else to the one that all clients would
   * choose. Only one instance decides, because at two instances the call could run twice.
   * @throws IscepError `lost` when the instance that this client gave the key to is gone
   */
  async ofKey(options: CallOptions): Promise<Member | undefined> {
    const { idempotencyKey = "" } = options;
    const known = this.#keys.get(keyOf(options))?.instance;
    const member = known === undefined ? undefined : this.#members.find(known);
    if (member?.isThere === true) return member;
    if (member !== undefined) throw cannotBeReached(member.instance);
    const all = await this.#members.allAnswering();
    const mayBeThere = all.length > 1 || known !== undefined;
    const found = mayBeThere ? await this.#first(all, { ...tokenOf(options), idempotencyKey }) : undefined;
    if (found !== undefined) return found.member;
    if (known === undefined) return firstFor(all, idempotencyKey);
    const reason = `the call with this key went to the instance ${known}, which is gone; a new key begins a new run`;
    throw new IscepError("lost", reason);
  }

  /** The call with this key is given to that instance now. */
  triedAt(options: CallOptions, { instance }: Member): void {
    const key = keyOf(options);
    const given = this.#keys.get(key);
    this.#keys.set(key, { instance, calls: given?.instance === instance ? given.calls + 1 : 1 });
  }

  /**
   * The call was refused there. The key may then go anywhere, unless an earlier call with it may have begun.
   * @returns the error to be told instead, when nobody knows whether an earlier call has begun
   */
  refused(options: CallOptions, error: IscepError): IscepError | undefined {
    const key = keyOf(options);
    const given = this.#keys.get(key);
    if (given === undefined) return undefined;
    if (given.calls <= 1) {
      this.#keys.delete(key);
      return undefined;
    }
    this.#keys.set(key, { ...given, calls: given.calls - 1 });
    if (!saysNothing.has(error.code) && error.code !== "not_trusted") return undefined;
    return cannotBeReached(given.instance, error);
  }

  /** Resolves as soon as an instance has the run. @throws IscepError when none has it, and one that is there could not say */
  async #first(members: readonly Member[], query: RunsOptions): Promise<Found | undefined> {
    return new Promise((resolve, reject) => {
      let open = members.length;
      let fault: IscepError | undefined;
      const answered = (member: Member, page: RunsPage | IscepError): void => {
        if (page instanceof IscepError) {
          if (!saysNothing.has(page.code)) fault ??= page;
        } else if (page.runs.length > 0) resolve({ member, page });
        if (--open > 0) return;
        if (fault === undefined) resolve(undefined);
        else reject(fault);
      };
      if (open === 0) resolve(undefined);
      for (const member of members) void this.#ask(member, query).then((page) => answered(member, page));
    });
  }

  async #ask(member: Member, query: RunsOptions): Promise<RunsPage | IscepError> {
    try {
      return await member.client.runs(query);
    } catch (error) {
      return toIscepError(error);
    }
  }
}

/** An earlier call with the key may have begun there. */
function cannotBeReached(instance: string, cause?: IscepError): IscepError {
  const reason = `the call with this key went to the instance ${instance}, which cannot be reached now; ask again later`;
  return new IscepError("lost", reason, { cause });
}

function tokenOf(options: CallOptions | undefined): Pick<CallOptions, "token" | "timeoutMs" | "signal"> {
  const { token, timeoutMs, signal } = options ?? {};
  return {
    ...(token === undefined ? {} : { token }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/**
 * Every client finds the same instance, so that calls with one key meet. An instance that takes no calls is the last
 * choice.
 */
function firstFor(members: readonly Member[], key: string): Member | undefined {
  const rank = ({ instance, beat }: Member): string =>
    (beat.state === "draining" ? "1" : "0") + createHash("sha256").update(`${key}\0${instance}`).digest("hex");
  const ranked = members.map((member) => ({ member, rank: rank(member) }));
  return ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1))[0]?.member;
}

/** The same key with another token is another key. */
function keyOf({ token, idempotencyKey }: CallOptions): string {
  return `${token ?? ""}\0${idempotencyKey ?? ""}`;
}
