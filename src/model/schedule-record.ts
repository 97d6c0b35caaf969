/** A command that its server runs by itself, as callers may see it. */
import type { RunRecord } from "./run-record.js";

export interface ScheduleRecord {
  /** The name of the command. */
  readonly command: string;
  /** The pattern with five or six fields. */
  readonly cron: string;
  /** The time zone of the pattern, such as `Europe/Berlin`. */
  readonly timeZone: string;
  /** The arguments, with the secret ones hidden. */
  readonly args: unknown;
  /** The next planned times, as Unix time in milliseconds, the first one first. Empty when there is none. */
  readonly nextMs: readonly number[];
  /** The newest run that the schedule has started; absent when none is known, or when the caller may not see it. */
  readonly last?: RunRecord;
}

/** A page of schedules, in the order of their commands. */
export interface SchedulesPage {
  readonly schedules: readonly ScheduleRecord[];
  /** To be given as `after` for the next page; absent on the last one. */
  readonly next?: string;
}
