/** A call of which only the value is wanted. It goes to one instance after the other, until one has taken it. */
import { isIscepError, toIscepError, type IscepError } from "../../errors.js";
import type { CallOptions } from "../protocol/options.js";
import type { AttemptedCall, AttemptListener } from "../version2/attempted-call.js";
import { mayMove, optionsThere, type ClusterHost } from "./host.js";
import type { Member } from "./member.js";
import type { Placement } from "./placement.js";
import type { KeptPlace, WaitingCall } from "./waiting-calls.js";

export class ClusterCall implements AttemptListener, WaitingCall {
  readonly promise: Promise<unknown>;
  member: Member | undefined;
  wasAsked = false;
  readonly #host: ClusterHost;
  readonly #command: string;
  readonly #args: unknown;
  readonly #options: CallOptions | undefined;
  readonly #begunAtMs = performance.now();
  #resolve!: (value: unknown) => void;
  #reject!: (error: IscepError) => void;
  #placement!: Placement;
  #attempt: AttemptedCall | undefined;
  #attempts = 0;
  #moves = 0;
  /** Set while the call is being taken back: its place at another instance. */
  #kept: KeptPlace | undefined;

  constructor(host: ClusterHost, command: string, args: unknown, options: CallOptions | undefined) {
    this.#host = host;
    this.#command = command;
    this.#args = args;
    this.#options = options;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const failed = (error: unknown): void => this.#reject(toIscepError(error));
    try {
      const placement = host.place(options);
      if (placement instanceof Promise) placement.then((found) => this.#begin(found), failed).catch(failed);
      else this.#begin(placement);
    } catch (error) {
      failed(error);
    }
  }

  #begin(placement: Placement): void {
    this.#placement = placement;
    this.#next();
  }

  #next(): void {
    const next = this.#placement.next();
    if (next === undefined) {
      this.#reject(this.#placement.error ?? this.#host.nobody());
      return;
    }
    if (next === "ask") {
      void this.#host.members.askStrangers().then(() => this.#next());
      return;
    }
    const { member, wait } = next;
    const attempts = ++this.#attempts;
    this.member = member;
    member.own++;
    const options = optionsThere(this.#options, wait, this.#begunAtMs);
    let attempt: AttemptedCall;
    try {
      attempt = member.client.attempt(this.#command, this.#args, options, this);
    } catch (error) {
      this.#left(member);
      this.#reject(toIscepError(error));
      return;
    }
    // The call may have been refused at once, and be at another instance by now.
    if (attempts !== this.#attempts || this.member === undefined) return;
    this.#attempt = attempt;
    if (wait && this.#moves < this.#host.maxCallMoves && mayMove(this.#options)) this.#host.waiting.add(this);
  }

  #left(member: Member): void {
    member.own--;
    this.member = undefined;
    this.#attempt = undefined;
    this.#host.waiting.delete(this);
    this.#host.waiting.offer(member);
  }

  completed(value: unknown): void {
    this.#giveBack();
    if (this.member !== undefined) this.#left(this.member);
    this.#resolve(value);
  }

  failed(error: IscepError, neverBegan: boolean): void {
    const { member } = this;
    if (member === undefined) return;
    const isTakenBack = this.#giveBack() && error.code === "busy";
    this.#left(member);
    if (!neverBegan || !isIscepError(error)) this.#reject(error);
    else if (isTakenBack) {
      this.#moves++;
      this.#placement.again();
      this.#next();
    } else if (this.#placement.refused(member, error)) this.#next();
    else this.#reject(error);
  }

  async withdraw(place: KeptPlace): Promise<boolean | undefined> {
    if (this.#attempt === undefined) return undefined;
    this.#kept = place;
    const isTaken = await this.#attempt.withdraw();
    // It stays where it is, and is not taken back any more.
    if (isTaken !== true && this.#kept === place) this.#kept = undefined;
    return isTaken;
  }

  /** Returns whether the call was being taken back, also if that took so long that its place is not kept any more. */
  #giveBack(): boolean {
    const kept = this.#kept;
    this.#kept = undefined;
    kept?.giveBack();
    return kept !== undefined;
  }
}
