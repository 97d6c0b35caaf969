import { IscepError } from "../../errors.js";
import type { RunOutcome } from "../../model/outcome.js";
import { maskText } from "../../model/secrets.js";
import { fitValue, type ValueRoom } from "./value-room.js";

/** The outcome that all who ask are told. Its value fits into `room`, and its error shows no secret of the call. */
export function toldOutcome(settled: RunOutcome, room: ValueRoom, secrets: readonly string[]): RunOutcome {
  const outcome = fitValue(settled, room);
  if (secrets.length === 0 || !("error" in outcome)) return outcome;
  const { code, message, details, cause } = outcome.error;
  const detailsText = JSON.stringify(details);
  const told = maskText(detailsText, secrets) === detailsText ? details : {};
  return { ...outcome, error: new IscepError(code, maskText(message, secrets), { details: told, cause }) };
}
