/** Makes the answer to a request without a session, in the size that the broker carries. */
import type { ErrorCode, IscepError } from "../../../errors.js";
import type { Outcome } from "../../../model/outcome.js";
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
/** Room for the JSON around a value: names of members, and the sentence of a script that failed, which stands there twice. */
const aroundValueBytes = 768;
const maxErrorTextCharacters = 200;

/** The largest value that a message can carry, as JSON. */
export function maxValueBytes(maxPayloadBytes: number): number {
  return Math.max(0, maxPayloadBytes - headerRoomBytes - aroundValueBytes);
}

/**
 * An error with a long message, or the outcome of an earlier run, whose own caller could be sent more, may be too large.
 * The answer names the run then.
 */
export function replyOf(outcome: Outcome, run: string | undefined, maxPayloadBytes: number): ServiceReply {
  const fits = ({ payload }: ServiceReply): boolean => Buffer.byteLength(payload) + headerRoomBytes <= maxPayloadBytes;
  const whole = wholeReply(outcome, run);
  if (fits(whole)) return whole;
  const known = knownReply(run, outcome.status);
  if (outcome.status === "completed") return known;
  const short = errorReplyOf(outcome.error, run);
  return fits(short) ? short : { ...short, payload: known.payload };
}

function wholeReply(outcome: Outcome, run: string | undefined): ServiceReply {
  if (outcome.status === "completed") return { payload: JSON.stringify({ run, ...outcomeView(outcome) }) };
  const { error, status } = outcome;
  return errorReply(
    error,
    problemText(error, { status: error.http, run, outcome: status === "rejected" ? undefined : outcome }),
  );
}

export function errorReplyOf(error: IscepError, run?: string): ServiceReply {
  return errorReply(error, problemText(error, { status: error.http, run }));
}

/** Names the run, of which a session can read more. */
export function knownReply(run: string | undefined, status: string): ServiceReply {
  return { payload: JSON.stringify({ run, status }) };
}

function errorReply({ code, http, message }: IscepError, payload: string): ServiceReply {
  const text = visibleText(message.replaceAll(/\s+/g, " "));
  return { payload, error: { code, status: http, text: text.slice(0, maxErrorTextCharacters) } };
}
