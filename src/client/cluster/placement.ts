/**
 * Says at which instance a call is tried next. First come those that seem to have room, and the call may not wait
 * there. When none of them takes the call, all are tried again, and it may wait. Instances that never answered come
 * last, because nobody knows whether they are what they say. A call is refused only when all have refused it.
 */
import type { ErrorCode, IscepError } from "../../errors.js";
import { leastLoaded, type Member } from "./member.js";

export interface Try {
  readonly member: Member;
  /** The call may wait there for its turn. */
  readonly wait: boolean;
}

/** Only these members are tried, in this order. Without an order, all are tried, the least loaded first. */
export interface Order {
  readonly members: readonly Member[];
  tried?(member: Member): void;
  /** The call did not begin. Returns the error to be told instead of this one. */
  refused?(error: IscepError): IscepError | undefined;
}

/** A call that was refused with one of these may begin elsewhere. */
const handedOver: ReadonlySet<ErrorCode> = new Set([
  "busy",
  "connect_failed",
  "not_trusted",
  "closed",
  "command_not_found",
]);

export interface Candidates extends Iterable<Member> {
  /** Some of them never answered. */
  readonly hasStrangers: boolean;
}

export class Placement {
  readonly #members: Candidates;
  readonly #mayWait: boolean;
  readonly #order: Order | undefined;
  #isLate = false;
  #hasAsked = false;
  #tried: Set<Member> | undefined;
  /** Members that would refuse the call again. */
  #useless: Set<Member> | undefined;
  #error: IscepError | undefined;

  constructor(members: Candidates, mayWait: boolean, order?: Order) {
    this.#members = members;
    this.#mayWait = mayWait;
    this.#order = order;
  }

  /**
   * Returns undefined when no member is left. `ask`: before the call waits somewhere, those that never answered must be
   * asked (`Members.askStrangers`), because one of them may have room.
   */
  next(): Try | "ask" | undefined {
    if (this.#order !== undefined) {
      const member = this.#order.members.find((each) => each.isThere && this.#tried?.has(each) !== true);
      if (member === undefined) return undefined;
      this.#order.tried?.(member);
      return { member, wait: this.#mayWait };
    }
    if (!this.#isLate) {
      const member = leastLoaded(this.#members, hasRoom, this.#tried);
      if (member !== undefined) return { member, wait: false };
      if (!this.#hasAsked && this.#members.hasStrangers) {
        this.#hasAsked = true;
        return "ask";
      }
      this.#isLate = true;
      this.#tried = this.#useless && new Set(this.#useless);
    }
    const member =
      leastLoaded(this.#members, keepsNone, this.#tried) ??
      leastLoaded(this.#members, isProvenThere, this.#tried) ??
      leastLoaded(this.#members, isThere, this.#tried);
    return member && { member, wait: this.#mayWait };
  }

  /** Why the call did not begin. undefined: no instance was asked. */
  get error(): IscepError | undefined {
    return this.#error;
  }

  /** Returns false when the error is the call's own, so that no other instance is asked. */
  refused(member: Member, error: IscepError): boolean {
    const told = this.#order?.refused?.(error);
    if (!handedOver.has(error.code)) return false;
    (this.#tried ??= new Set()).add(member);
    if (error.code !== "busy") (this.#useless ??= new Set()).add(member);
    if (error.code === "connect_failed" || error.code === "not_trusted") member.wasInVain(error);
    // An instance that does not have the command says less than one that is full.
    if (told !== undefined) this.#error = told;
    else if (this.#error === undefined || error.code !== "command_not_found") this.#error = error;
    return true;
  }

  /** The call was taken back from where it waited, because another instance has room. */
  again(): void {
    this.#isLate = false;
    this.#tried = this.#useless && new Set(this.#useless);
  }
}

function hasRoom(member: Member): boolean {
  return member.isProven && member.hasRoom;
}

/**
 * True when no place is kept at the member. A call that came to wait there would take a place that is kept for another
 * call.
 */
function keepsNone(member: Member): boolean {
  return isProvenThere(member) && member.kept === 0;
}

function isProvenThere(member: Member): boolean {
  return member.isProven && member.isThere;
}

function isThere(member: Member): boolean {
  return member.isThere;
}
