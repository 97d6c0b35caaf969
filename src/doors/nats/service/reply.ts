/** Makes the answer to a request without a session, in the size that the broker carries. */
import { IscepError, type ErrorCode } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
import { fitScriptResult, isScriptResult } from "../../../model/script-result.js";
import { visibleText } from "../../../text/visible-text.js";
import { outcomeView } from "../../http/answer/outcome-view.js";
import { problemText } from "../../http/answer/problem-text.js";

export interface ServiceReply {
  readonly payload: string;
  /** The headers of ADR-32 for an error. */
  readonly error?: { readonly code: ErrorCode; readonly status: number; readonly text: string };
}

/** Room for the headers, which count as part of a message. */
export const headerRoomBytes = 1_024;
const maxErrorTextCharacters = 200;

/** @param maxBytes the most that the payload may have */
export function replyOf(outcome: Outcome, run: string | undefined, maxBytes: number): ServiceReply {
  if (outcome.status === "completed") return { payload: completedText(outcome, run, maxBytes) };
  const { error } = outcome;
  const text = (shown: Outcome | undefined): string => problemText(error, { status: error.http, run, outcome: shown });
  const whole = text(outcome.status === "rejected" ? undefined : outcome);
  if (Buffer.byteLength(whole) <= maxBytes) return errorReply(error, whole);
  return errorReply(
    error,
    within(maxBytes, (room) => text(cutOutcome(outcome, room)), text(undefined)),
  );
}

export function errorReplyOf(error: IscepError, run?: string): ServiceReply {
  return errorReply(error, problemText(error, { status: error.http, run }));
}

/** Names the run, of which a session can read more. */
export function knownReply(run: string, status: string): ServiceReply {
  return { payload: JSON.stringify({ run, status }) };
}

function errorReply({ code, http, message }: IscepError, payload: string): ServiceReply {
  const text = visibleText(message.replaceAll(/\s+/g, " "));
  return { payload, error: { code, status: http, text: text.slice(0, maxErrorTextCharacters) } };
}

function completedText(outcome: Outcome & { status: "completed" }, run: string | undefined, maxBytes: number): string {
  const text = (shown: Outcome): string =>
    JSON.stringify({ ...(run === undefined ? {} : { run }), ...outcomeView(shown) });
  const whole = text(outcome);
  const bytes = Buffer.byteLength(whole);
  if (bytes <= maxBytes) return whole;
  const { value: _value, ...rest } = outcome;
  const valueError = new IscepError(
    "too_large",
    `the value is too large for a message of this broker (${bytes} bytes; at most ${maxBytes} fit); a session with this service can read it`,
  );
  const without = text({ ...rest, value: undefined, valueError });
  return within(maxBytes, (room) => text(cutOutcome(outcome, room)), without);
}

/** The outcome with as much of a script's output as there is room for; an outcome without such output stays as it is. */
function cutOutcome(outcome: Outcome, room: number): Outcome {
  if (!("value" in outcome) || !isScriptResult(outcome.value)) return outcome;
  return { ...outcome, value: fitScriptResult(outcome.value, room), truncated: true };
}

/**
 * The text with the most room that fits, or `otherwise`. The text around what is cut has its own size, which is
 * measured first.
 */
function within(maxBytes: number, text: (room: number) => string, otherwise: string): string {
  const around = Buffer.byteLength(text(0));
  const cut = text(Math.max(0, maxBytes - around));
  return Buffer.byteLength(cut) <= maxBytes ? cut : otherwise;
}
