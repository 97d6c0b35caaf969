/**
 * Calls that wait at one instance are offered to another one that has room. A call is taken back only where its server
 * says that it had not begun, so it never runs twice.
 */
import { within } from "../../waiting/within.js";
import type { Member } from "./member.js";

/** How long an instance may take to answer before the place is offered to calls that wait elsewhere. */
const patienceMs = 500;

/**
 * A place that is kept for a call while it is taken back. Otherwise, calls that begin meanwhile would take the place
 * each time.
 */
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
  /** Where the call waits, as far as is known; it may have begun meanwhile. */
  readonly member: Member | undefined;
  /**
   * True while the call's instance is asked to give the call back, and after the instance said no, because the call has
   * begun.
   */
  wasAsked: boolean;
  /**
   * Resolves to true when the call was taken back, and is on its way to another instance. The call gives the place back
   * when it goes on. undefined: its instance may be asked again later.
   */
  withdraw(place: KeptPlace): Promise<boolean | undefined>;
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

  /** Offers calls to this instance, at which a call would probably begin at once. */
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
      await this.#ask(call, new KeptPlace(member));
    }
  }

  /** Resolves when the call's instance has answered, or takes too long. */
  async #ask(call: WaitingCall, place: KeptPlace): Promise<void> {
    const answered = call.withdraw(place).then((isTaken) => {
      // The call is offered again as soon as an instance tells that it has room.
      if (isTaken === undefined) call.wasAsked = false;
      return isTaken;
    });
    // A call that is taken back after that has no place kept for it.
    if ((await within(answered, patienceMs)) !== true) place.giveBack();
  }
}
