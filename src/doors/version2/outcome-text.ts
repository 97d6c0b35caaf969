import { outputChangesOf, type RunOutcome } from "../../model/outcome.js";
import { errorText } from "../../session/version2-server.js";

/** What an answer says in addition to the outcome. */
export interface AnswerExtras {
  /** The run's id, if the client may need it. */
  readonly run?: string;
  /** The number of bytes of output in all, if output was asked for. */
  readonly output?: number;
}

/** The one response to a call or attach: a result when the run completed, and an error with the status otherwise. */
export function outcomeText(id: number, outcome: RunOutcome, extras: AnswerExtras | undefined): string {
  const value = "value" in outcome ? outcome.value?.text : undefined;
  const error = outcome.status === "completed" ? outcome.valueError : outcome.error;
  const exitCode = "exitCode" in outcome ? outcome.exitCode : undefined;
  // Most calls go this way.
  if (error === undefined && extras === undefined && exitCode === undefined)
    return `{"jsonrpc":"2.0","id":${id},"result":{"value":${value ?? "null"}}}`;
  const facts = { exitCode, ...outputChangesOf(outcome), ...extras };
  if (error !== undefined) {
    const signal = "signal" in outcome ? outcome.signal : undefined;
    // What the command says of its failure, for programs.
    const details = outcome.status === "failed" && Object.keys(error.details).length > 0 ? error.details : undefined;
    return errorText(id, error, { status: outcome.status, signal, details, ...facts }, value);
  }
  const rest = JSON.stringify(facts);
  const valueMember = value === undefined ? "" : `"value":${value}${rest === "{}" ? "" : ","}`;
  return `{"jsonrpc":"2.0","id":${id},"result":{${valueMember}${rest.slice(1)}}`;
}
