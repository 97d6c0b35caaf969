/**
 * Decides whether the door of a caller can carry the value of a run. `Run.end` asks once, before anybody is told, so all
 * are told the same.
 */
import { IscepError } from "../../errors.js";
import type { RunOutcome } from "../../model/outcome.js";
import { fitScriptResult, isScriptResult } from "../../model/script-result.js";
import { JsonText } from "../../wire/json-text.js";

/** The largest value that an answer can carry. */
export interface ValueRoom {
  readonly maxBytes: number;
  /** The same for the result of a script, which is cut, so that its exit code arrives whatever it printed. */
  readonly maxScriptResultBytes: number;
  tooLarge(bytes: number): IscepError;
}

export function valueRoomOf(maxBytes: number): ValueRoom {
  const tooLarge = (bytes: number): IscepError =>
    new IscepError("too_large", `the command ran, and its result has ${bytes} bytes; at most ${maxBytes} can be sent`);
  return { maxBytes, maxScriptResultBytes: maxBytes, tooLarge };
}

/** The outcome in a size that fits. A value that is too large fails its run. */
export function fitValue(outcome: RunOutcome, room: ValueRoom): RunOutcome {
  if (!("value" in outcome) || outcome.value === undefined) return outcome;
  const { value } = outcome;
  const least = Math.min(room.maxBytes, room.maxScriptResultBytes);
  // A UTF-16 unit becomes at most three bytes.
  if (3 * value.text.length <= least) return outcome;
  const { bytes } = value;
  if (bytes <= least) return outcome;
  const parsed = value.parse();
  if (isScriptResult(parsed)) {
    const cut = fitScriptResult(parsed, room.maxScriptResultBytes);
    return { ...outcome, value: new JsonText(JSON.stringify(cut)) };
  }
  if (bytes <= room.maxBytes) return outcome;
  return { status: "failed", error: room.tooLarge(bytes) };
}
