import { isIscepError } from "../../errors.js";

/**
 * Gives the error of a call a stack that names the command and the place of the call. The error itself is made where
 * the answer was read, which does not help its reader. Call this in a handler of the promise that the caller awaits:
 * from there V8 finds the functions that wait for it. So a call that succeeds pays for one handler, and nothing is kept
 * for it.
 */
export function withCallSite(error: unknown, command: string): unknown {
  if (!isIscepError(error)) return error;
  const place: { stack?: string } = {};
  Error.captureStackTrace(place, withCallSite);
  // Line 1 is a heading, and line 2 the handler. What Node itself does between says nothing.
  const frames = (place.stack ?? "").split("\n").slice(2);
  const waiting = frames.filter((frame) => !/\bnode:internal\//.test(frame));
  error.stack = [`${error.name}: ${error.message}`, `    at command ${JSON.stringify(command)}`, ...waiting].join("\n");
  return error;
}
