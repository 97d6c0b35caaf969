/** Reads the query of `/runs`, and offsets. */
import type { RunsOptions } from "../../../client/protocol/options.js";
import { IscepError } from "../../../errors.js";
import { runStatuses, type RunRecord } from "../../../model/run-record.js";
import type { HttpContext } from "../request/mount.js";

/** @throws IscepError `usage` for a filter that does not exist, or that cannot be read */
export function runsQueryOf({ req }: HttpContext): RunsOptions {
  const { command, status, owner, since, limit, cursor, all, ...unknown } = req.query();
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined) {
    throw new IscepError(
      "usage",
      `there is no filter ${JSON.stringify(stranger.slice(0, 64))}; there are command, status, owner, since, limit, cursor and all`,
    );
  }
  return {
    ...(command === undefined ? {} : { command }),
    ...(status === undefined ? {} : { status: statusOf(status) }),
    ...(owner === undefined ? {} : { owner }),
    ...(since === undefined ? {} : { sinceMs: timeOf(since) }),
    ...(limit === undefined ? {} : { limit: wholeNumber(limit, "limit") }),
    ...(cursor === undefined ? {} : { after: cursor }),
    ...(all === undefined ? {} : { all: all !== "false" }),
  };
}

/** Where in the output to begin: 0 when nothing is said. @throws IscepError `usage` */
export function offsetOf(text: string | undefined): number {
  return text === undefined || text === "" ? 0 : wholeNumber(text, "offset");
}

/** @throws IscepError `usage` */
export function wholeNumber(text: string, name: string): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(number)) return number;
  throw new IscepError("usage", `${name} must be a whole number`);
}

function statusOf(text: string): RunRecord["status"] {
  const status = runStatuses.find((known) => known === text);
  if (status !== undefined) return status;
  throw new IscepError("usage", `status must be one of ${runStatuses.join(", ")}`);
}

function timeOf(text: string): number {
  const timeMs = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isSafeInteger(timeMs)) return timeMs;
  throw new IscepError("usage", "since must be a time such as 2026-11-28T12:00:00Z, or Unix time in milliseconds");
}
