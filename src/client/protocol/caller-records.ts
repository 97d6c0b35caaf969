/** Reads what a server says about its caller and its schedules. The other side may be hostile, so everything is checked. */
import { IscepError } from "../../errors.js";
import type { CallerRecord, ScopeRecord } from "../../model/caller-record.js";
import type { ScheduleRecord } from "../../model/schedule-record.js";
import { isJsonObject } from "../../wire/json.js";
import { isRunRecord } from "./run-records.js";

/** @throws IscepError `protocol` */
export function readCallerRecord(answer: unknown): CallerRecord {
  if (isCallerRecord(answer)) return answer;
  throw new IscepError("protocol", "the server's answer to whoami says nothing about its caller");
}

function isCallerRecord(answer: unknown): answer is CallerRecord {
  if (!isJsonObject(answer)) return false;
  const { owner, tokenId, expiresAtMs, scopes } = answer;
  return (
    typeof owner === "string" &&
    (tokenId === null || typeof tokenId === "string") &&
    (expiresAtMs === undefined || typeof expiresAtMs === "number") &&
    (scopes === undefined || (Array.isArray(scopes) && scopes.every(isScopeRecord)))
  );
}

function isScopeRecord(record: unknown): record is ScopeRecord {
  return isJsonObject(record) && typeof record["scope"] === "string" && typeof record["says"] === "string";
}

/**
 * Reads all pages of schedules.
 * @throws IscepError `protocol`
 */
export async function schedulePages(
  ask: (after: string | undefined) => Promise<unknown>,
  maxSchedules: number,
): Promise<ScheduleRecord[]> {
  const schedules: ScheduleRecord[] = [];
  let after: string | undefined;
  do {
    const page = await ask(after);
    const found = isJsonObject(page) ? page["schedules"] : undefined;
    if (!isJsonObject(page) || !Array.isArray(found) || !found.every(isScheduleRecord)) {
      throw new IscepError("protocol", "the server's list of schedules holds what is no schedule");
    }
    const { next } = page;
    const movesOn = typeof next === "string" && found.length > 0 && (after === undefined || next > after);
    if ((next !== undefined && !movesOn) || schedules.length + found.length > maxSchedules) {
      throw new IscepError("protocol", "the server's list of schedules does not end");
    }
    schedules.push(...found);
    after = typeof next === "string" ? next : undefined;
  } while (after !== undefined);
  return schedules;
}

function isScheduleRecord(record: unknown): record is ScheduleRecord {
  if (!isJsonObject(record)) return false;
  const { command, cron, timeZone, nextMs, last } = record;
  return (
    typeof command === "string" &&
    typeof cron === "string" &&
    typeof timeZone === "string" &&
    Array.isArray(nextMs) &&
    nextMs.every((time) => typeof time === "number") &&
    (last === undefined || isRunRecord(last))
  );
}
