/** Lists the schedules of a server for those who may run these commands, or see their runs. */
import type { Registry } from "../commands/registry.js";
import { scheduler, type Identity } from "../model/identity.js";
import type { CommandSchedule } from "../model/command.js";
import type { ScheduleRecord, SchedulesPage } from "../model/schedule-record.js";
import { hideSecrets, secretValue } from "../model/secrets.js";
import type { RunJournal } from "./journal.js";

export type { SchedulesPage };

const nextTimes = 5;

export function schedulesPage(
  registry: Registry,
  journal: RunJournal,
  identity: Identity,
  after: string | undefined,
  maxPage: number,
): SchedulesPage {
  const schedules: ScheduleRecord[] = [];
  const commands = registry
    .list()
    .filter(({ name, schedule }) => schedule !== undefined && (after === undefined || name > after))
    .filter(({ name }) => identity.mayRun(name) || identity.maySeeRunsOf(name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, schedule, secretArguments } of commands.slice(0, maxPage)) {
    if (schedule === undefined) continue;
    const { cron, timeZone, args } = schedule;
    const query = { command: name, owner: scheduler.owner, limit: 1 };
    const [last] = identity.maySeeRunsOf(name) ? journal.list(identity, query).runs : [];
    schedules.push({
      command: name,
      cron,
      timeZone,
      args: shownArguments(args, secretArguments),
      nextMs: timesAfter(schedule, Date.now()),
      ...(last === undefined ? {} : { last }),
    });
  }
  const next = commands.length > maxPage ? schedules.at(-1)?.command : undefined;
  return { schedules, ...(next === undefined ? {} : { next }) };
}

function timesAfter(schedule: CommandSchedule, nowMs: number): number[] {
  const times: number[] = [];
  for (let next = schedule.next(nowMs); next !== undefined && times.length < nextTimes; next = schedule.next(next)) {
    times.push(next);
  }
  return times;
}

/** The values of secret arguments become `***`. */
function shownArguments(args: unknown, secretArguments: readonly string[] | undefined): unknown {
  const hidden = hideSecrets(args, secretArguments).args;
  if (typeof hidden !== "object" || hidden === null) return hidden;
  return Object.fromEntries(
    Object.entries(hidden).map(([name, value]: [string, unknown]) => [name, value === secretValue ? "***" : value]),
  );
}
