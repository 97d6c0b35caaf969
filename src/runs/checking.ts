/**
 * What happens between a call and its admission: whether its caller may run the command, which of its arguments are
 * secret, and whether the arguments are accepted. A check may take time. Then the run is `checking` meanwhile.
 */
import type { Registry } from "../commands/registry.js";
import { IscepError, isIscepError } from "../errors.js";
import { withRules } from "../identity/argument-rules.js";
import type { Limits } from "../limits/limits.js";
import { keepArguments } from "../logs/kept-arguments.js";
import { useSecrets } from "../logs/known-secrets.js";
import type { ArgumentsCheck, Command, Notice } from "../model/command.js";
import { hideSecrets } from "../model/secrets.js";
import { beginRunTrace } from "../traces/run-trace.js";
import { memoryBytes } from "../wire/json-memory.js";
import type { Choices } from "./choices.js";
import { rethrowLater } from "./rethrow-later.js";
import { checkingError, closingError, rejected, schemaFault, takesNoInput } from "./run/endings.js";
import type { Run } from "./run/run.js";
import type { StartOptions } from "./run/start-options.js";
import type { UnderWay } from "./under-way.js";

export interface CheckingHost {
  readonly registry: Registry;
  readonly limits: Limits;
  /** Whether arguments are logged, for commands that do not say it themselves. */
  readonly logArgs: boolean;
  readonly choices: Choices;
  readonly underWay: UnderWay;
  /** Who may have to be told of the ends of a command. undefined when there are none. */
  readonly noticesOf: ((command: Command) => readonly Notice[] | undefined) | undefined;
  /** The check takes time, and the call has to wait for it. */
  lasts(run: Run): void;
  /** @param args the arguments, checked and converted */
  admitted(run: Run, command: Command, args: unknown): void;
}

export class Checking {
  readonly #host: CheckingHost;
  /** Commands whose check has taken time once. Only a check that has begun shows that it does. */
  readonly #slowToCheck = new WeakSet<Command>();

  constructor(host: CheckingHost) {
    this.#host = host;
  }

  /** Ends a run that is refused whatever its arguments are. */
  refuse(run: Run, args: unknown, error: IscepError): void {
    logged(run, args, this.#host.registry.get(run.command));
    run.end(rejected(error));
  }

  check(run: Run, args: unknown, options: Pick<StartOptions, "timeoutMs" | "traceparent">): void {
    const { registry, limits, noticesOf, underWay } = this.#host;
    const command = registry.get(run.command);
    // Unknown and forbidden commands get the same answer, so that no caller learns of commands that they may not run.
    if (command === undefined || !run.identity.mayRun(run.command)) {
      // The arguments are copied in both cases, so that the time does not tell either which commands there are.
      const { secretArguments = [] } = command ?? {};
      run.loggedArgs = hideSecrets(args, secretArguments.length > 0 ? secretArguments : unheardOf).args;
      return run.end(rejected(new IscepError("command_not_found")));
    }
    const secrets = logged(run, args, command);
    run.notices ??= noticesOf?.(command);
    run.trace = beginRunTrace(run, options.traceparent);
    if (command.kind === "function" || command.terminal === undefined) run.terminal = undefined;
    if (command.stdin === false && run.input !== undefined) return run.end(rejected(takesNoInput(run.command)));
    run.secrets = secrets;
    if (secrets.length > 0) run.whenEnded(useSecrets(secrets));
    // The caller may wait for less time than the command may take, but not for more.
    run.timeoutMs = Math.min(command.timeoutMs ?? limits.runTimeoutMs, options.timeoutMs ?? Number.POSITIVE_INFINITY);
    const isFull = !underWay.mayCheck(limits);
    const isSlow = command.choicesFrom !== undefined || this.#slowToCheck.has(command);
    if (isFull && isSlow) return run.end(rejected(checkingError()));
    let check: ArgumentsCheck | Promise<ArgumentsCheck>;
    try {
      check = this.#checkArguments(run, command, args);
    } catch (error) {
      return run.end(rejected(schemaFault(error)));
    }
    if (!(check instanceof Promise)) return this.#checked(run, command, check);
    this.#slowToCheck.add(command);
    if (!isFull) return this.#whenChecked(run, command, check, memoryBytes(args, limits.maxCheckedArgumentsBytes));
    run.end(rejected(checkingError()));
    check.catch(() => {}); // nobody waits for it
  }

  #checkArguments({ identity }: Run, command: Command, args: unknown): ArgumentsCheck | Promise<ArgumentsCheck> {
    let check = command.checkArguments(args);
    if (command.choicesFrom !== undefined) check = this.#host.choices.check(command.choicesFrom, check);
    const rules = identity.argumentRules(command.name);
    return rules === undefined ? check : withRules(check, rules, args, command.paths);
  }

  #whenChecked(run: Run, command: Command, check: Promise<ArgumentsCheck>, bytes: number): void {
    const { underWay } = this.#host;
    this.#host.lasts(run);
    underWay.checks(run, bytes);
    void check
      .then(
        (checked) => this.#checked(run, command, checked),
        (error: unknown) => run.end(rejected(isIscepError(error) ? error : schemaFault(error))),
      )
      .catch(rethrowLater)
      .then(() => underWay.checked(run));
  }

  #checked(run: Run, command: Command, check: ArgumentsCheck): void {
    if (run.state !== "checking") return;
    if (!check.ok) run.end(rejected(new IscepError(check.code ?? "invalid_arguments", check.message)));
    else if (this.#host.underWay.isClosing) run.end(rejected(closingError()));
    else {
      this.#keepArguments(run, command);
      this.#host.admitted(run, command, check.args);
    }
  }

  /** Keeps arguments only of an accepted call. A refused call may contain anything. */
  #keepArguments(run: Run, { argsSchema, logArgs = this.#host.logArgs }: Command): void {
    if (!logArgs) return;
    const { maxKeptArgumentsBytes } = this.#host.limits;
    run.keptArguments = keepArguments(argsSchema, run.loggedArgs, run.secrets, maxKeptArgumentsBytes);
  }
}

/** No argument has such a name. */
const unheardOf = ["\0"];

/** A call is logged even if it is refused. Returns the texts that it gave for secret arguments. */
function logged(run: Run, args: unknown, command: Command | undefined): readonly string[] {
  const hidden = hideSecrets(args, command?.secretArguments);
  run.loggedArgs = hidden.args;
  return hidden.secrets;
}
