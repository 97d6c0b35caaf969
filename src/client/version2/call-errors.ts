/** Errors of calls that the client ends itself. */
import { IscepError } from "../../errors.js";
import type { JsonObject } from "../../wire/json.js";

export function cancelled(signal: AbortSignal): IscepError {
  return new IscepError("cancelled", "the call was cancelled", { cause: signal.reason });
}

export function timedOut(timeoutMs: number): IscepError {
  return new IscepError("timeout", `no answer came within ${timeoutMs} ms`);
}

export function tooManyWait(count: number): IscepError {
  return new IscepError("busy", `${count} calls wait on this client already; await some of them first`);
}

export function lost(cause: unknown): IscepError {
  return new IscepError("lost", undefined, { cause });
}

/** What the server says of output whose call has its answer. */
export function cannotBeRead({ message, start }: JsonObject): IscepError {
  const details = typeof start === "number" ? { start } : {};
  return new IscepError("output_gone", typeof message === "string" ? message : undefined, { details });
}

export function goesAway(): IscepError {
  return new IscepError("closed", "the server goes away, and takes no new calls; it did not run");
}

export function closedClient(): IscepError {
  return new IscepError("closed", "the client is closed; connect again");
}

/**
 * @param wasSent the call waits for a new connection, so it ran or may have run
 * @param gone why its server will never answer again; undefined when it was the client that was closed
 */
export function closedWhileWaiting(wasSent: boolean, gone?: IscepError): IscepError {
  if (gone !== undefined) return wasSent ? gone : new IscepError("connect_failed", gone.message, { cause: gone });
  return wasSent
    ? new IscepError("lost", "the client was closed before it could come back for the run")
    : new IscepError("closed", "the client was closed before the call was sent; it did not run");
}

export function closedUnderWay(): IscepError {
  return new IscepError("lost", "the client was closed while the call was under way; the command may have run");
}

export function inputTaken(): IscepError {
  const lost = "nothing more that is sent here reaches it, and the last of what was sent may not have";
  return new IscepError("usage", `another caller has taken over the standard input of this run; ${lost}`);
}

/**
 * Most functions end in the turn in which they begin. Such a run has no id, unless it is kept. All callers get the same
 * error, because to make one costs as much as the rest of such a call.
 */
export const notKept = new IscepError("run_not_found", "the run ended at once, and nothing of it is kept");
