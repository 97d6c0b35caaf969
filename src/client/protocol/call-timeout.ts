import { IscepError } from "../../errors.js";

/** @throws IscepError `usage` */
export function checkTimeout(timeoutMs: number): number {
  if (!(timeoutMs > 0 && timeoutMs <= 2 ** 31 - 1)) {
    throw new IscepError("usage", `timeoutMs must be from 1 to ${2 ** 31 - 1} milliseconds, not ${String(timeoutMs)}`);
  }
  return timeoutMs;
}
