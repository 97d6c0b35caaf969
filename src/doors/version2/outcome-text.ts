import { IscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { outputChangesOf, type Outcome } from "../../model/outcome.js";
import { fitScriptResult, isScriptResult } from "../../model/script-result.js";
import { errorText, resultText } from "../../session/version2-server.js";
import { encodeJson, type JsonLimits } from "../../wire/json.js";

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
  limits: JsonLimits & Pick<Limits, "maxPacketBytes" | "flushBytes">,
): string {
  if (outcome.status === "completed") {
    const { exitCode } = outcome;
    const changes = outputChangesOf(outcome);
    if (outcome.valueError !== undefined) {
      const exit = exitCode === undefined ? {} : { exitCode };
      return errorText(id, outcome.valueError, { status: "completed", ...exit, ...changes, ...extras });
    }
    const value = fitted(outcome.value, extras, limits);
    if (extras === undefined && exitCode === undefined && Object.keys(changes).length === 0) {
      return `{"jsonrpc":"2.0","id":${id},"result":{"value":${encodeJson(value, limits) ?? "null"}}}`;
    }
    return resultText(
      id,
      {
        value,
        ...(exitCode === undefined ? {} : { exitCode }),
        ...changes,
        ...extras,
      },
      limits,
    );
  }
  const { status, error } = outcome;
  return errorText(id, error, {
    status,
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...outputChangesOf(outcome),
    ...("value" in outcome && outcome.value !== undefined ? { value: fitted(outcome.value, extras, limits) } : {}),
    ...extras,
  });
}

/** Whatever a script prints, its exit code arrives. Who has seen the output live needs only the beginning again. */
function fitted(
  value: unknown,
  extras: AnswerExtras | undefined,
  { maxPacketBytes, flushBytes }: Pick<Limits, "maxPacketBytes" | "flushBytes">,
): unknown {
  if (!isScriptResult(value)) return value;
  // Other messages may stand in the packet already, and the rest of this one has some bytes too.
  const most = extras?.output === undefined ? maxPacketBytes - 4 * flushBytes : maxPacketBytes / 4;
  return fitScriptResult(value, Math.max(0, Math.floor(most)));
}

/** When JSON cannot hold the value: the run completed, and the answer has to say what became of its value. */
export function unsendableText(id: number, error: IscepError, extras: AnswerExtras | undefined): string {
  return errorText(
    id,
    new IscepError("failed", `the command ran, and its result could not be sent. ${error.message}`),
    { status: "failed", ...extras },
  );
}
