/**
 * Checks what a command reports while it runs, in its thread or in that of the server. A fault is thrown where it is
 * made.
 */
import { types } from "node:util";
import { IscepError } from "../../errors.js";

/** @throws IscepError `failed` for a channel that does not exist, and for a value that is neither text nor bytes */
export function checkWrite(channel: unknown, data: unknown): void {
  if (channel !== "stdout" && channel !== "stderr") {
    const given = typeof channel === "string" ? JSON.stringify(channel.slice(0, 64)) : kindOf(channel);
    throw new IscepError("failed", `output.write takes "stdout" or "stderr" as its channel, and not ${given}`);
  }
  if (typeof data !== "string" && !types.isUint8Array(data))
    throw new IscepError("failed", `output.write takes a text or a Uint8Array, and not ${kindOf(data)}`);
}

/** @throws IscepError `failed` for a fraction that is not a number, and for a message that is not text */
export function checkProgress(fraction: unknown, message: unknown): void {
  if (typeof fraction !== "number" || Number.isNaN(fraction)) {
    const given = typeof fraction === "number" ? "NaN" : kindOf(fraction);
    throw new IscepError("failed", `progress takes a number from 0 to 1, and not ${given}`);
  }
  if (message !== undefined && typeof message !== "string")
    throw new IscepError("failed", `the message of progress is a text, and not ${kindOf(message)}`);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return /^[aeiou]/.test(typeof value) ? `an ${typeof value}` : `a ${typeof value}`;
}
