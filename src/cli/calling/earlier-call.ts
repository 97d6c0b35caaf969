/** An earlier call that is made once more. What is known of it comes from the server's record of its run. */
import type { Client } from "../../client/client.js";
import { IscepError } from "../../errors.js";
import type { CommandDescription } from "../../model/command.js";
import type { RunRecord } from "../../model/run-record.js";
import { parametersOf } from "../arguments/types.js";
import { runRecord } from "./run-list.js";

export type EarlierCall = Pick<RunRecord, "run" | "command" | "arguments" | "argumentsOmitted">;

/** @throws IscepError `run_not_found`, and `protocol` for a server that speaks only version 1 */
export function earlierCall(client: Client, run: string, signal: AbortSignal): Promise<EarlierCall> {
  return runRecord(client, run, signal);
}

/**
 * The arguments with which it was made, as far as they are kept.
 * @throws IscepError `usage` when nothing is kept, and the command has arguments
 */
export function keptArguments(
  { run, command, arguments: kept }: EarlierCall,
  description: CommandDescription | undefined,
): Readonly<Record<string, unknown>> {
  if (kept !== undefined) return kept;
  if (description !== undefined && parametersOf(description.args).length === 0) return {};
  throw new IscepError(
    "usage",
    `the arguments of run ${run} were not kept; call ${command} with its arguments, and set log_args: true for it to keep those of later runs`,
  );
}

/** @throws IscepError `usage` for an argument that was given then, is not kept, and was not given again */
export function checkOmitted(
  { argumentsOmitted = [] }: EarlierCall,
  args: Readonly<Record<string, unknown>>,
  description: CommandDescription | undefined,
): void {
  const name = argumentsOmitted.find((omitted) => !Object.hasOwn(args, omitted));
  if (name === undefined) return;
  const parameters = description === undefined ? [] : parametersOf(description.args);
  const isSecret = parameters.find((parameter) => parameter.name === name)?.schema["writeOnly"] === true;
  throw new IscepError(
    "usage",
    `the value of argument "${name}" was not kept; give it again: ${isSecret ? `--${name}-file FILE` : `--${name} VALUE`}`,
  );
}
