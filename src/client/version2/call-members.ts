/** Members of the params of a call as JSON text, each with a comma in front, or nothing. */
import { IscepError } from "../../errors.js";
import { activeTracing } from "../../traces/tracing.js";
import { checkText } from "../protocol/check-text.js";
import type { CallOptions, RunOptions } from "../protocol/options.js";

export function keyMember(key: string | undefined): string {
  return key === undefined ? "" : `,"idempotencyKey":${JSON.stringify(checkText("idempotencyKey", key))}`;
}

/**
 * JSON has no form for a function or a symbol, and the server ends the session of a client whose JSON is broken.
 * @throws IscepError `usage`
 */
export function terminalMember(terminal: RunOptions["terminal"]): string {
  if (terminal === undefined) return "";
  if (typeof terminal !== "object") throw new IscepError("usage", "terminal has to be an object with rows and columns");
  return `,"terminal":${JSON.stringify(terminal)}`;
}

export function waitMember(wait: boolean | undefined): string {
  return wait === false ? ',"wait":false' : "";
}

export function traceMember(options: CallOptions | undefined): string {
  const traceparent = options?.traceparent ?? activeTracing()?.activeTraceparent();
  return traceparent === undefined ? "" : `,"traceparent":${JSON.stringify(checkText("traceparent", traceparent))}`;
}
