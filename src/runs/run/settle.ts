/**
 * Decides, once and before a run ends, what everybody learns about its end: its caller, its followers, the logs, the
 * list of runs and its file. What JSON cannot hold fails the run here, and what the door of its caller cannot carry does so
 * in `fitValue` (value-room.ts). So no door finds out later that it cannot send a value.
 */
import { IscepError, toIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import type { Outcome, RunOutcome } from "../../model/outcome.js";
import { encodeJson, isJsonObject, type JsonLimits } from "../../wire/json.js";
import { JsonText } from "../../wire/json-text.js";
import { failed } from "./endings.js";
import { valueRoomOf, type ValueRoom } from "./value-room.js";

type SettleLimits = JsonLimits & Pick<Limits, "maxErrorMessageCharacters" | "maxErrorDetailsBytes">;

/** A value that JSON cannot hold fails its run. */
export function settle(outcome: Outcome, limits: SettleLimits): RunOutcome {
  let settled: RunOutcome;
  try {
    settled = withJson(outcome, limits);
  } catch (thrown) {
    settled = failed(toIscepError(thrown));
  }
  return settled.status === "completed" ? settled : withShortError(settled, limits);
}

function withJson(outcome: Outcome, limits: SettleLimits): RunOutcome {
  switch (outcome.status) {
    case "completed":
      return { ...outcome, value: sendable(outcome.value, limits) };
    case "failed":
    case "killed": {
      const { value, ...rest } = outcome;
      const json = sendable(value, limits);
      return json === undefined ? rest : { ...rest, value: json };
    }
    default:
      return outcome;
  }
}

function withShortError(
  outcome: Exclude<RunOutcome, { status: "completed" }>,
  limits: SettleLimits,
): Exclude<RunOutcome, { status: "completed" }> {
  const { code, message, details, cause } = outcome.error;
  const maxCharacters = limits.maxErrorMessageCharacters;
  const fits = message.length <= maxCharacters;
  const sent = sendableDetails(details, limits);
  if (fits && sent === details) return outcome;
  const cut = fits ? message : `${message.slice(0, maxCharacters)} … (cut)`;
  return { ...outcome, error: new IscepError(code, cut, { details: sent, cause }) };
}

/** A copy, as the command may change its own later. Details that JSON cannot hold, or that are too large, are left out. */
function sendableDetails(details: IscepError["details"], limits: SettleLimits): IscepError["details"] {
  if (Object.keys(details).length === 0) return details;
  try {
    const text = encodeJson(details, limits) ?? "{}";
    const copy: unknown = Buffer.byteLength(text) > limits.maxErrorDetailsBytes ? {} : JSON.parse(text);
    return isJsonObject(copy) ? copy : {};
  } catch {
    // The message is what counts.
    return {};
  }
}

/**
 * The JSON of what a command returned; undefined for nothing.
 * @throws IscepError `failed` that says what JSON cannot hold
 */
export function sendable(value: unknown, limits: JsonLimits): JsonText | undefined {
  // For a command in a thread, the thread has already made it.
  if (value instanceof JsonText) return value;
  try {
    return JsonText.of(value, limits, "result");
  } catch (thrown) {
    const { message, cause } = toIscepError(thrown);
    const sentence = `the command ran, and its result could not be sent: ${message}`;
    throw new IscepError("failed", sentence, cause === undefined ? {} : { cause });
  }
}

/**
 * The room in a packet of version 2, which is the largest of any door. Other messages and the rest of the answer may be
 * in the packet too.
 */
export function packetRoom({ maxPacketBytes, flushBytes }: Pick<Limits, "maxPacketBytes" | "flushBytes">): ValueRoom {
  return valueRoomOf(Math.max(0, maxPacketBytes - 4 * flushBytes));
}
