/**
 * Calls that wait at one instance are offered to another one that has room. A call is taken back only where its server
 * says that it had not begun, so it never runs twice.
 */
import type { Member } from "./member.js";

/** A place that a call is to have when it was taken back. Without it, calls that begin meanwhile would take it each time. */
export class KeptPlace {
  readonly member: Member;
  #isKept = true;

  constructor(member: Member) {
    this.member = member;
    member.kept++;
  }

  /** Returns whether it was still kept. */
  giveBack(): boolean {
    const wasKept = this.#isKept;
    if (wasKept) this.member.kept--;
    this.#isKept = false;
    return wasKept;
  }
}

export interface WaitingCall {
  /** Where it waits, as far as is known; it may have begun meanwhile. */
  readonly member: Member | undefined;
  /** It was asked for once at its instance, so it has begun there. */
  wasAsked: boolean;
  /** Resolves to true when it was taken back, and is on its way to another instance. It gives the place back when it goes on. */
  withdraw(place: KeptPlace): Promise<boolean>;
}

export class WaitingCalls {
  /** The one that has waited longest comes first. */
  readonly #calls = new Set<WaitingCall>();

  add(call: WaitingCall): void {
    call.wasAsked = false;
    this.#calls.add(call);
  }

  delete(call: WaitingCall): void {
    if (this.#calls.size > 0) this.#calls.delete(call);
  }

  /** A call would probably begin at once at this instance. */
  offer(member: Member): void {
    if (this.#calls.size === 0 || member.isOffered || !member.hasRoom) return;
    member.isOffered = true;
    void this.#take(member).finally(() => (member.isOffered = false));
  }

  async #take(member: Member): Promise<void> {
    for (const call of this.#calls) {
      if (!member.hasRoom) return;
      if (call.wasAsked || call.member === member) continue;
      call.wasAsked = true;
      const place = new KeptPlace(member);
      if (!(await call.withdraw(place))) place.giveBack();
    }
  }
}
