/**
 * Says which planned time of a schedule is due, from what was started so far. It is pure: the clock is an argument, and
 * may jump, stand still or go back. A time that was started once is never due again.
 */
import type { CommandSchedule } from "../model/command.js";

export interface ScheduleState {
  /** Pattern and zone. When they change, the schedule begins again. */
  readonly pattern: string;
  /** The schedule has been checked up to this time. */
  readonly seenMs: number;
  /**
   * Planned times that were started: the first and the last of each unbroken row. A clock that goes back meets these
   * times again.
   */
  readonly started: readonly (readonly [firstMs: number, lastMs: number])[];
}

export interface ScheduleLook {
  readonly state: ScheduleState;
  /** This must be on the disk before anything is started. */
  readonly hasNews: boolean;
  /** The planned time to start now. */
  readonly plannedMs?: number;
  /** The first planned time that is given up, because it is too long ago, or because a later one replaces it. */
  readonly missedMs?: number;
}

/**
 * A new row begins where a time was missed, and when the clock has jumped. Rows that no clock will come back to are
 * dropped.
 */
const maxRows = 8;

export function patternOf({ cron, timeZone }: CommandSchedule): string {
  return `${cron} ${timeZone}`;
}

/** @param windowMs planned times that are longer ago are given up */
export function lookAtSchedule(
  schedule: CommandSchedule,
  before: ScheduleState | undefined,
  nowMs: number,
  windowMs: number,
): ScheduleLook {
  const pattern = patternOf(schedule);
  // A new or changed schedule begins when it is first seen. This is kept too, because from here on no time may be lost.
  if (before === undefined || before.pattern !== pattern)
    return { state: { pattern, seenMs: nowMs, started: [] }, hasNews: true };
  const state = { ...before, seenMs: nowMs };
  const first = nowMs <= before.seenMs ? undefined : schedule.next(before.seenMs);
  // A restarted server must also notice that a clock which was set back has been at these times before.
  if (first === undefined || first > nowMs) return { state, hasNews: nowMs < before.seenMs };
  let last: number | undefined;
  let missedMs: number | undefined;
  const give = (plannedMs: number): void => {
    if (!wasStarted(before, plannedMs)) missedMs ??= plannedMs;
  };
  // There may be years of minutes in between. Only those within the window are checked one by one.
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
