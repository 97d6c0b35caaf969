import type { IscepError } from "../errors.js";
import type { CommandContext } from "../commands/command.js";
import type { Identity } from "../identity/identity.js";
import type { Outcome } from "./outcome.js";
import { createRunId } from "./run-id.js";

/**
 * One execution of a command. It lives apart from the connection that asked for it, and ends with exactly one outcome.
 *
 * Most calls are over within the same turn of the event loop, so the id, the abort controller and the list of
 * listeners are only made when somebody asks for them.
 */
export class Run {
  readonly command: string;
  readonly identity: Identity;
  /** IP address of the caller, or `unix`. */
  readonly source: string;
  readonly startedAtMs: number;
  readonly context: CommandContext;
  #id: string | undefined;
  #outcome: Outcome | undefined;
  #listeners: ((outcome: Outcome) => void)[] | undefined;
  #controller: AbortController | undefined;
  #abortReason: IscepError | undefined;
  #abortListeners: ((reason: IscepError) => void)[] | undefined;

  constructor(command: string, identity: Identity, source: string) {
    this.command = command;
    this.identity = identity;
    this.source = source;
    this.startedAtMs = Date.now();
    this.context = new RunContext(this);
  }

  get id(): string {
    return (this.#id ??= createRunId(this.startedAtMs));
  }

  /** undefined while it is under way. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Aborted when the run shall stop: timeout, cancel, close of the server. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Calls at once when the run has ended already. */
  whenEnded(listener: (outcome: Outcome) => void): void {
    if (this.#outcome !== undefined) listener(this.#outcome);
    else (this.#listeners ??= []).push(listener);
  }

  /** The first outcome counts; whatever comes later changes nothing. Returns whether this one counted. */
  end(outcome: Outcome): boolean {
    if (this.#outcome !== undefined) return false;
    this.#outcome = outcome;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener(outcome);
    return true;
  }

  /** Asks the command to stop; `reason` becomes `context.signal.reason`. */
  abort(reason: IscepError): void {
    if (this.#abortReason !== undefined) return;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#abortListeners ?? []) listener(reason);
  }

  /** Calls once, at an abort before the run has ended. Cheaper than the signal. */
  whenAborted(listener: (reason: IscepError) => void): void {
    if (this.#abortReason !== undefined) listener(this.#abortReason);
    else (this.#abortListeners ??= []).push(listener);
  }
}

class RunContext implements CommandContext {
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  get runId(): string {
    return this.#run.id;
  }

  get identity(): Pick<Identity, "owner" | "tokenId"> {
    return this.#run.identity;
  }

  get signal(): AbortSignal {
    return this.#run.signal;
  }
}
