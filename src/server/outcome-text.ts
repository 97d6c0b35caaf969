import { IscepError } from "../errors.js";
import type { Outcome } from "../runs/outcome.js";
import { errorText, resultText } from "../session/version2-server.js";
import { encodeJson, type JsonLimits } from "../wire/json.js";

/** What an answer says beside the outcome itself. */
export interface AnswerExtras {
  /** The run's id, where the client may want it. */
  readonly run?: string;
  /** How many bytes of output there are in all, when output was asked for. */
  readonly output?: number;
}

/** The one response to a call or attach: a result when the run completed, an error with the status otherwise. */
export function outcomeText(
  id: number,
  outcome: Outcome,
  extras: AnswerExtras | undefined,
  limits: JsonLimits,
): string {
  if (outcome.status === "completed") {
    const { value, exitCode } = outcome;
    if (extras === undefined && exitCode === undefined) {
      return `{"jsonrpc":"2.0","id":${id},"result":{"value":${encodeJson(value, limits) ?? "null"}}}`;
    }
    return resultText(id, { value, ...(exitCode === undefined ? {} : { exitCode }), ...extras }, limits);
  }
  const { status, error } = outcome;
  return errorText(id, error, {
    status,
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...("value" in outcome && outcome.value !== undefined ? { value: outcome.value } : {}),
    ...extras,
  });
}

/** When JSON cannot hold the value: the run completed, and the answer has to say what became of its value. */
export function unsendableText(id: number, error: IscepError): string {
  return errorText(
    id,
    new IscepError("failed", `the command ran, and its result could not be sent. ${error.message}`),
    {
      status: "failed",
    },
  );
}
