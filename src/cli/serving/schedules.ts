import type { Command } from "../../model/command.js";

/** A line for each scheduled command. The next time shows when a pattern was meant for another zone. */
export function scheduleLines(commands: readonly Command[]): string[] {
  return commands.flatMap(({ name, schedule }) => {
    const nextMs = schedule?.next(Date.now());
    if (schedule === undefined || nextMs === undefined) return [];
    const next = new Date(nextMs).toISOString().slice(0, 16);
    return [`${name} is scheduled: ${schedule.cron} (${schedule.timeZone}), next at ${next}Z`];
  });
}
