import { isJsonObject } from "../wire/json.js";
import type { ScriptResult } from "./outcome.js";

/**
 * Cuts the output of a result, so that its JSON has at most `maxBytes`. Over version 1 an answer is one small packet,
 * and the exit code must arrive whatever the script printed. Standard error gets up to half of the room.
 */
export function fitScriptResult(result: ScriptResult, maxBytes: number): ScriptResult {
  if (jsonBytes(result) <= maxBytes) return result;
  const room = Math.max(0, maxBytes - jsonBytes({ ...result, stdout: "", stderr: "", truncated: true }));
  const stderr = cutToJsonBytes(result.stderr, Math.max(Math.floor(room / 2), room - stringBytes(result.stdout)));
  const stdout = cutToJsonBytes(result.stdout, room - stringBytes(stderr));
  return { ...result, stdout, stderr, truncated: true };
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** The size without the quotes, which an empty text has too. */
function stringBytes(text: string): number {
  return jsonBytes(text) - 2;
}

/** The longest beginning whose JSON has at most `maxBytes`. It never ends with half of a surrogate pair. */
function cutToJsonBytes(text: string, maxBytes: number): string {
  if (stringBytes(text) <= maxBytes) return text;
  let fits = 0;
  // A character has at least one byte.
  let tooLong = Math.min(text.length, maxBytes + 1);
  while (tooLong - fits > 1) {
    const middle = Math.floor((fits + tooLong) / 2);
    if (stringBytes(text.slice(0, middle)) <= maxBytes) fits = middle;
    else tooLong = middle;
  }
  const last = text.charCodeAt(fits - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? fits - 1 : fits);
}

const members = ["durationMs", "exitCode", "signal", "stderr", "stdout", "truncated"];

/**
 * Recognises a result by its members, all of them and no others, because results also come from the other side of the
 * wire.
 */
export function isScriptResult(value: unknown): value is ScriptResult {
  // Most values are no result, and this shows it without a list of their members.
  if (!isJsonObject(value) || !("durationMs" in value)) return false;
  if (Object.keys(value).sort().join() !== members.join()) return false;
  const { exitCode, signal, stdout, stderr, truncated, durationMs } = value;
  return (
    (exitCode === null || (typeof exitCode === "number" && Number.isInteger(exitCode))) &&
    (signal === null || typeof signal === "string") &&
    typeof stdout === "string" &&
    typeof stderr === "string" &&
    typeof truncated === "boolean" &&
    typeof durationMs === "number"
  );
}
