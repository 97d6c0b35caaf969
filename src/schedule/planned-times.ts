/**
 * Which planned time of a schedule is due, given what was started so far. Pure: the clock is an argument, and it may
 * jump, stand still or go back; what was started once is never due again.
 */
import type { CommandSchedule } from "../model/command.js";

export interface ScheduleState {
  /** Pattern and zone: with another one it begins anew. */
  readonly pattern: string;
  /** Up to here it has been looked at. */
  readonly seenMs: number;
  /**
   * Planned times that were started: the first and the last of each unbroken row. A clock that goes back meets them
   * again.
   */
  readonly started: readonly (readonly [firstMs: number, lastMs: number])[];
}

export interface ScheduleLook {
  readonly state: ScheduleState;
  /** It has to be on the disk before anything is started. */
  readonly hasNews: boolean;
  /** To be started now. */
  readonly plannedMs?: number;
  /** The first planned time that is given up: it is too long ago, or a later one stands for it. */
  readonly missedMs?: number;
}

/** A new row begins where a time was missed, and when the clock has jumped; older ones no clock will come back to. */
const maxRows = 8;

export function patternOf({ cron, timeZone }: CommandSchedule): string {
  return `${cron} ${timeZone}`;
}

/** @param windowMs a planned time longer ago is given up */
export function lookAtSchedule(
  schedule: CommandSchedule,
  before: ScheduleState | undefined,
  nowMs: number,
  windowMs: number,
): ScheduleLook {
  const pattern = patternOf(schedule);
  // What is new, or was changed, begins when it is first seen. That is kept too: from here on no time may be lost.
  if (before === undefined || before.pattern !== pattern)
    return { state: { pattern, seenMs: nowMs, started: [] }, hasNews: true };
  const state = { ...before, seenMs: nowMs };
  const first = nowMs <= before.seenMs ? undefined : schedule.next(before.seenMs);
  // After a restart, too, a clock that was set back has to be known to have been there already.
  if (first === undefined || first > nowMs) return { state, hasNews: nowMs < before.seenMs };
  let last: number | undefined;
  let missedMs: number | undefined;
  const give = (plannedMs: number): void => {
    if (!wasStarted(before, plannedMs)) missedMs ??= plannedMs;
  };
  // Years of minutes may lie between; only those within the window are looked at one by one.
  if (first < nowMs - windowMs) give(first);
  for (
    let planned = first < nowMs - windowMs ? schedule.next(nowMs - windowMs - 1) : first;
    planned !== undefined && planned <= nowMs;
    planned = schedule.next(planned)
  ) {
    if (wasStarted(before, planned)) continue;
    if (last !== undefined) give(last);
    last = planned;
  }
  const missed = missedMs === undefined ? {} : { missedMs };
  if (last === undefined) return { state, hasNews: missedMs !== undefined, ...missed };
  return {
    state: { ...state, started: withStarted(schedule, before.started, last) },
    hasNews: true,
    plannedMs: last,
    ...missed,
  };
}

function wasStarted({ started }: ScheduleState, plannedMs: number): boolean {
  return started.some(([firstMs, lastMs]) => firstMs <= plannedMs && plannedMs <= lastMs);
}

function withStarted(
  schedule: CommandSchedule,
  rows: ScheduleState["started"],
  plannedMs: number,
): ScheduleState["started"] {
  const row = rows.find(([, lastMs]) => schedule.next(lastMs) === plannedMs);
  const others = rows.filter((other) => other !== row);
  return [...others, [row?.[0] ?? plannedMs, plannedMs] as const].slice(-maxRows);
}
