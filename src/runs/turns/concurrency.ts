/**
 * Knows who runs, who waits and who has joined, for each concurrency key. It only keeps lists; the caller acts. A
 * key without members costs nothing, because callers can invent any number of keys.
 */
import type { WhenFull } from "../../model/command.js";

export interface ConcurrencyRule {
  readonly limit: number;
  readonly whenFull: WhenFull;
  /** How many members of one key may wait or have joined. */
  readonly maxQueued: number;
}

export type Entry<Member> =
  | { readonly verdict: "begin" }
  /** `position` is the place in its queue, from 1. `replaces` must be stopped. */
  | { readonly verdict: "wait"; readonly position: number; readonly replaces?: Member | undefined }
  | { readonly verdict: "join"; readonly first: Member }
  /** Which limit is reached: that of this key, or that of all keys together. */
  | { readonly verdict: "full"; readonly of: "key" | "all" };

/** These are Sets, because a Set keeps the order in which members came. A member is in one of the first three. */
class Group<Member> {
  limit = 1;
  readonly running = new Set<Member>();
  readonly waiting = new Set<Member>();
  readonly joined = new Set<Member>();
  /** Those of the running members that were asked to stop for a newer one. */
  readonly replaced = new Set<Member>();
}

export class Concurrency<Member> {
  readonly #maxQueued: number;
  readonly #groups = new Map<string, Group<Member>>();
  /** How many members of all keys wait or have joined. */
  #queued = 0;

  constructor(maxQueued: number) {
    this.#maxQueued = maxQueued;
  }

  /** Keys that have members. */
  get keys(): number {
    return this.#groups.size;
  }

  get queued(): number {
    return this.#queued;
  }

  /** The queues, each in the order in which its members will begin. */
  *queues(): Iterable<ReadonlySet<Member>> {
    for (const { waiting } of this.#groups.values()) if (waiting.size > 0) yield waiting;
  }

  /** @param mayJoin says whether the new member may have the outcome of `first`; asked only if the rule says `join` */
  enter(key: string, member: Member, rule: ConcurrencyRule, mayJoin: (first: Member) => boolean): Entry<Member> {
    const group = this.#groups.get(key) ?? new Group<Member>();
    // The command may have been replaced meanwhile by one with another limit.
    group.limit = rule.limit;
    if (group.running.size < rule.limit && group.waiting.size === 0) {
      this.#groups.set(key, group);
      group.running.add(member);
      return { verdict: "begin" };
    }
    if (rule.whenFull === "reject") return { verdict: "full", of: "key" };
    if (rule.whenFull === "replace") return this.#replace(group, member);
    if (group.waiting.size + group.joined.size >= rule.maxQueued) return { verdict: "full", of: "key" };
    if (this.#queued >= this.#maxQueued) return { verdict: "full", of: "all" };
    this.#queued++;
    const first = rule.whenFull === "join" ? [...group.running, ...group.waiting].find(mayJoin) : undefined;
    if (first !== undefined) {
      group.joined.add(member);
      return { verdict: "join", first };
    }
    group.waiting.add(member);
    return { verdict: "wait", position: group.waiting.size };
  }

  /**
   * Replaces the oldest running member that was not replaced yet, or else the oldest waiting one. So no more than
   * `limit` ever wait.
   */
  #replace(group: Group<Member>, member: Member): Entry<Member> {
    const running = [...group.running].find((candidate) => !group.replaced.has(candidate));
    const [oldestWaiting] = group.waiting;
    const replaces = running ?? oldestWaiting;
    if (running !== undefined) {
      if (this.#queued >= this.#maxQueued) return { verdict: "full", of: "all" };
      group.replaced.add(running);
    }
    this.#queued++;
    group.waiting.add(member);
    return { verdict: "wait", position: group.waiting.size, replaces };
  }

  /**
   * Removes a member, whether it ran, waited or had joined. Returns the members whose turn has come. A second call
   * changes nothing.
   */
  leave(key: string, member: Member): Member[] {
    const group = this.#groups.get(key);
    if (group === undefined) return [];
    if (group.waiting.delete(member) || group.joined.delete(member)) this.#queued--;
    group.running.delete(member);
    group.replaced.delete(member);
    const begun: Member[] = [];
    for (const next of group.waiting) {
      if (group.running.size >= group.limit) break;
      group.waiting.delete(next);
      this.#queued--;
      group.running.add(next);
      begun.push(next);
    }
    if (group.running.size + group.waiting.size + group.joined.size === 0) this.#groups.delete(key);
    return begun;
  }
}
