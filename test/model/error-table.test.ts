/** The table of errors: what it promises to the command line, to JSON-RPC and to HTTP. */
import { STATUS_CODES } from "node:http";
import { expect, test } from "vitest";
import { errorTable, IscepError, type ErrorCode } from "iscep";

const kinds = Object.entries(errorTable) as [ErrorCode, (typeof errorTable)[ErrorCode]][];

test("each code has a status of HTTP that says an error, and is registered", () => {
  const wrong = kinds.filter(([, { http }]) => http < 400 || STATUS_CODES[http] === undefined);
  expect(wrong).toEqual([]);
});

test("who is at fault is told in the same way by HTTP and by the exit code", () => {
  // 64, 65, 77 of sysexits are the caller's mistakes; `configuration` is one of the person who runs the server.
  const callers = new Set<number>([64, 65, 77]);
  const wrong = kinds.filter(
    ([code, { http, exitCode }]) => code !== "configuration" && callers.has(exitCode) && http >= 500,
  );
  expect(wrong).toEqual([]);
});

test("what may be tried again by itself is never told as a mistake of the request, and the other way round", () => {
  expect(errorTable.busy.http).toBe(503);
  expect(kinds.filter(([, { http }]) => http === 503).map(([code]) => code)).toEqual(["closed", "busy"]);
});

test("an error has the numbers of its code", () => {
  for (const [code, { http, jsonRpc, exitCode, sentence }] of kinds) {
    expect(new IscepError(code)).toMatchObject({ http, jsonRpc, exitCode, message: sentence });
  }
});
