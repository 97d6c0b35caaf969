/** A run that is given to one instance after the other, until one has taken it. */
import { IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import type { RunOptions } from "../protocol/options.js";
import { outcomeOfError } from "../protocol/answer.js";
import type { RunHandle, WithdrawableRun } from "../protocol/run-handle.js";
import { HandedRun } from "./handed-run.js";
import { mayMove, optionsThere, type ClusterHost } from "./host.js";
import type { Member } from "./member.js";
import type { Placement } from "./placement.js";
import { SharedInput } from "./shared-input.js";
import type { KeptPlace, WaitingCall } from "./waiting-calls.js";

export function clusterRun(
  host: ClusterHost,
  command: string,
  args: unknown,
  options: RunOptions | undefined,
): RunHandle {
  return new ClusterRun(host, command, args, options).run;
}

class ClusterRun implements WaitingCall {
  readonly run: HandedRun;
  member: Member | undefined;
  wasAsked = false;
  readonly #host: ClusterHost;
  readonly #command: string;
  readonly #args: unknown;
  readonly #options: RunOptions | undefined;
  readonly #input: SharedInput | undefined;
  readonly #begunAtMs = performance.now();
  #placement: Placement | undefined;
  #attempt: WithdrawableRun | undefined;
  #moves = 0;
  /** Set while the run is being taken back: its place at another instance. */
  #kept: KeptPlace | undefined;

  constructor(host: ClusterHost, command: string, args: unknown, options: RunOptions | undefined) {
    this.#host = host;
    this.#command = command;
    this.#args = args;
    this.#input = options?.stdin === undefined ? undefined : new SharedInput(options.stdin);
    this.#options = this.#input === undefined ? options : { ...options, stdin: this.#input.source };
    this.run = new HandedRun({
      command,
      ends: options?.detach !== true,
      next: (refused) => this.#next(refused),
      ended: () => {
        this.#kept?.giveBack();
        this.#input?.close();
      },
    });
  }

  async #next(refused: Outcome | undefined): Promise<RunHandle | Outcome> {
    this.#placement ??= await this.#host.place(this.#options);
    const { member } = this;
    if (refused?.status === "rejected" && member !== undefined && !this.#mayTryAgain(member, refused.error))
      return refused;
    if (this.#options?.signal?.aborted === true) {
      const error = new IscepError("cancelled", "the call was cancelled", { cause: this.#options.signal.reason });
      return { status: "cancelled", error };
    }
    let next = this.#placement.next();
    if (next === "ask") {
      await this.#host.members.askStrangers();
      next = this.#placement.next();
    }
    if (next === "ask" || next === undefined) return outcomeOfError(this.#placement.error ?? this.#host.nobody(), {});
    return this.#begin(next.member, next.wait);
  }

  #mayTryAgain(member: Member, error: IscepError): boolean {
    if (this.#placement === undefined) return false;
    // Taking it back may have lasted so long that its place is not kept any more.
    const isTakenBack = this.#kept !== undefined && error.code === "busy";
    this.#kept?.giveBack();
    this.#kept = undefined;
    if (!isTakenBack) return this.#placement.refused(member, error);
    this.#moves++;
    this.#placement.again();
    return true;
  }

  #begin(member: Member, wait: boolean): RunHandle {
    const attempt = member.client.run(this.#command, this.#args, optionsThere(this.#options, wait, this.#begunAtMs));
    // Wrong options make this throw, and then no place may be taken.
    this.member = member;
    member.own++;
    this.#attempt = attempt;
    // A handle without output makes its id only when somebody asks for it.
    if (this.#options?.output !== false)
      attempt.id.then(
        (run) => this.#host.isAt(run, member),
        () => {},
      );
    void attempt.outcome.then(() => this.#left(member));
    const isFree = this.#input === undefined && this.#options?.detach !== true && mayMove(this.#options);
    if (wait && isFree && this.#moves < this.#host.maxCallMoves) this.#host.waiting.add(this);
    return attempt;
  }

  #left(member: Member): void {
    member.own--;
    this.#host.waiting.delete(this);
    this.#host.waiting.offer(member);
  }

  async withdraw(place: KeptPlace): Promise<boolean | undefined> {
    const attempt = this.#attempt;
    if (attempt === undefined || this.run.isPinned) return false;
    this.#kept = place;
    const withdrawn = attempt.withdraw();
    this.run.taking = withdrawn;
    const isTaken = await withdrawn;
    // It stays where it is, and is not taken back any more.
    if (isTaken !== true && this.#kept === place) this.#kept = undefined;
    return isTaken;
  }
}
