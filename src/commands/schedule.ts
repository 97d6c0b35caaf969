/** Checks the schedule in a definition, and makes it ready for use. The library croner knows cron and time zones. */
import { Cron } from "croner";
import { IscepError, textOfThrown } from "../errors.js";
import type { ArgumentsCheck, CommandSchedule } from "../model/command.js";
import { didYouMean } from "../text/near-name.js";

export interface ScheduleDefinition<Input = object> {
  /** Minute, hour, day of the month, month, day of the week: `"0 3 * * *"` is each day at 3. */
  readonly cron: string;
  /** The time zone, such as `Europe/Berlin`. Default: the one of this machine. */
  readonly timeZone?: string;
  /** The arguments of the call. Default: no arguments. */
  readonly args?: Input;
  /**
   * true: of the instances of a service (NATS), and of servers that share a runs folder, one starts each planned time.
   * false: each of them does, such as for
   * work that belongs to a machine. Default: true.
   */
  readonly once?: boolean;
}

const keysOfSchedule = ["cron", "timeZone", "args", "once"];

/**
 * The fields that a command gets from its schedule. Without a schedule: none.
 * @throws IscepError as `compileSchedule`
 */
export function scheduleMember(
  name: string,
  schedule: string | ScheduleDefinition | undefined,
  check: (args: unknown) => ArgumentsCheck | Promise<ArgumentsCheck>,
): { schedule?: CommandSchedule } {
  return schedule === undefined ? {} : { schedule: compileSchedule(name, schedule, check) };
}

/**
 * @param check checks the command's arguments
 * @throws IscepError `usage`, with `field: "schedule"` in `details`
 */
export function compileSchedule(
  name: string,
  schedule: string | ScheduleDefinition,
  check: (args: unknown) => ArgumentsCheck | Promise<ArgumentsCheck>,
): CommandSchedule {
  const wrong = (sentence: string): IscepError =>
    new IscepError("usage", `schedule of "${name}": ${sentence}`, { details: { field: "schedule" } });
  if (typeof schedule !== "string" && (typeof schedule !== "object" || schedule === null))
    throw wrong('must be a cron pattern such as "0 3 * * *", or an object with one as cron');
  const definition: ScheduleDefinition = typeof schedule === "string" ? { cron: schedule } : schedule;
  const unknown = Object.keys(definition).find((key) => !keysOfSchedule.includes(key));
  if (unknown !== undefined) throw wrong(`there is no "${unknown}"${didYouMean(unknown, keysOfSchedule)}`);
  const { once = true } = definition;
  if (typeof once !== "boolean") throw wrong("once must be true or false");
  const zone = definition.timeZone ?? ownTimeZone();
  if (!isTimeZone(zone))
    throw wrong(`there is no time zone ${JSON.stringify(zone)}; names are such as Europe/Berlin or UTC`);
  const cron = parseCron(definition.cron, zone, wrong);
  const args: unknown = definition.args ?? {};
  const checked = check(args);
  // A schema that checks asynchronously is asked at each run, as for any caller.
  if (checked instanceof Promise) checked.catch(() => {});
  else if (!checked.ok) throw wrong(`it would be refused at each run: ${checked.message}`);
  return Object.freeze({
    cron: definition.cron,
    timeZone: zone,
    args,
    once,
    next: (afterMs: number) => cron.nextRun(new Date(afterMs))?.getTime(),
  });
}

function parseCron(pattern: unknown, timeZone: string, wrong: (sentence: string) => IscepError): Cron {
  if (typeof pattern !== "string") throw wrong('cron must be a text such as "0 3 * * *"');
  let cron: Cron;
  try {
    // A fixed time that does not exist when summer time begins comes right after it. A time that comes twice counts once.
    cron = new Cron(pattern, { timezone: timeZone, mode: "5-part", fixedTimeRule: "no-wildcard", paused: true });
  } catch (error) {
    const reason = textOfThrown(error).replace(/^CronPattern: /, "");
    throw wrong(
      `${JSON.stringify(pattern.slice(0, 100))} is no cron pattern (${reason}); write minute, hour, day of the month, month and day of the week, such as "0 3 * * *"`,
    );
  }
  if (cron.nextRun() === null) throw wrong(`"${pattern}" never comes`);
  return cron;
}

function ownTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function isTimeZone(name: unknown): boolean {
  try {
    return typeof name === "string" && new Intl.DateTimeFormat("en", { timeZone: name }).format(0) !== "";
  } catch {
    return false;
  }
}
