/**
 * Starts scheduled commands when their time has come. It has the timer, the file and the log; planned-times.ts says
 * what is due.
 */
import type { Command, CommandSchedule } from "../model/command.js";
import type { Registry } from "../commands/registry.js";
import type { Dispatcher } from "../dispatcher.js";
import { textOfThrown } from "../errors.js";
import { scheduler as schedulerIdentity } from "../model/identity.js";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import type { Run } from "../runs/run/run.js";
import { lookAtSchedule, type ScheduleState } from "./planned-times.js";
import { readScheduleFile, writeScheduleFile } from "./schedule-file.js";
import { SharedTimes, type ScheduleClaim, type ScheduledTime } from "./shared-times.js";

export interface SchedulerOptions {
  readonly registry: Registry;
  readonly dispatcher: Pick<Dispatcher, "start">;
  /** Without this, a restarted server knows nothing, and times that came while it was down are lost. */
  readonly file?: string | undefined;
  readonly limits: Pick<Limits, "scheduleCatchUpMs" | "scheduleCheckMs" | "scheduleClaimMs">;
  readonly logs?: Logs | undefined;
  /** Other servers have the same schedules. Default: this server starts all of them. */
  readonly claim?: ((time: ScheduledTime) => Promise<ScheduleClaim>) | undefined;
  /** The clock as Unix time, for tests. */
  readonly now?: () => number;
}

interface ScheduledCommand {
  readonly name: string;
  readonly concurrency?: unknown;
  readonly schedule: CommandSchedule;
}

export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #now: () => number;
  readonly #states: Map<string, ScheduleState>;
  /** The last run of each command that has no concurrency of its own. */
  readonly #lastRuns = new Map<string, Run>();
  readonly #shared: SharedTimes | undefined;
  #forgetRegistry: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #saidThatNothingIsKept = false;
  #closed = false;

  /** @throws IscepError `configuration` when the file exists but cannot be read */
  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#states = options.file === undefined ? new Map<string, ScheduleState>() : readScheduleFile(options.file);
    const { claim, limits } = options;
    if (claim === undefined) return;
    this.#shared = new SharedTimes({
      claim,
      askMs: limits.scheduleCatchUpMs,
      pauseMs: limits.scheduleClaimMs,
      unknown: ({ command, plannedMs }, reason) => this.#logUnknown(command, plannedMs, reason),
    });
  }

  begin(): void {
    // All changes of a reload come in one turn. The check follows after it.
    this.#forgetRegistry = this.#options.registry.whenChanged(() => this.#lookIn(0));
    this.look();
  }

  /** Starts what is due, and calls itself again when there is more to do. */
  look(): void {
    if (this.#closed) return;
    const { limits } = this.#options;
    const nowMs = this.#now();
    const commands = this.#options.registry.list().filter(isScheduled);
    const due: (readonly [ScheduledCommand, plannedMs: number])[] = [];
    let hasNews = this.#forgetOthers(commands);
    for (const command of commands) {
      const { name, schedule } = command;
      const look = lookAtSchedule(schedule, this.#states.get(name), nowMs, limits.scheduleCatchUpMs);
      this.#states.set(name, look.state);
      hasNews ||= look.hasNews;
      if (look.missedMs !== undefined) void this.#missed(command, look.missedMs);
      if (look.plannedMs !== undefined) due.push([command, look.plannedMs]);
    }
    if (hasNews && commands.length > 0) this.#keep();
    for (const [command, plannedMs] of due) this.#start(command, plannedMs);
    if (commands.length > 0) this.#lookIn(this.#pauseMs(commands));
  }

  /** The timer is short, so that a clock that was set is noticed soon. */
  #pauseMs(commands: readonly ScheduledCommand[]): number {
    const nowMs = this.#now();
    const pauses = commands.map(({ schedule }) => (schedule.next(nowMs) ?? Number.POSITIVE_INFINITY) - nowMs);
    return Math.max(1, Math.min(this.#options.limits.scheduleCheckMs, ...pauses));
  }

  #lookIn(pauseMs: number): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), pauseMs);
  }

  #forgetOthers(commands: readonly ScheduledCommand[]): boolean {
    const names = new Set(commands.map(({ name }) => name));
    const gone = [...this.#states.keys()].filter((name) => !names.has(name));
    for (const name of gone) {
      this.#states.delete(name);
      this.#lastRuns.delete(name);
    }
    return gone.length > 0;
  }

  /** A full disk must not prevent a backup from running. */
  #keep(): void {
    const { file, logs } = this.#options;
    if (file === undefined) {
      if (this.#saidThatNothingIsKept) return;
      this.#saidThatNothingIsKept = true;
      logs?.error({
        event: "schedule",
        message: "without a runs folder, times of schedules that come while the server is down are lost; give it one",
      });
      return;
    }
    try {
      writeScheduleFile(file, this.#states);
    } catch (error) {
      logs?.error({
        event: "schedule",
        message: `a restart may double a run of a schedule, as ${file} cannot be written: ${textOfThrown(error)}`,
        error,
      });
    }
  }

  #start(command: ScheduledCommand, plannedMs: number): void {
    const { name, concurrency, schedule } = command;
    if (this.#shared === undefined || !schedule.once) {
      this.#begin(command);
      return;
    }
    const time = { command: name, plannedMs, isAlone: concurrency === undefined };
    void this.#shared.ask(time).then((claim) => {
      if (claim?.kind === "underWay") this.#logUnderWay(name, ` in the instance ${claim.where}`);
      if (claim?.kind !== "ours") return;
      const run = this.#begin(command);
      if (run === undefined) claim.ended();
      else run.whenEnded(() => claim.ended());
    });
  }

  /** Returns undefined when the time was left out. */
  #begin({ name, concurrency, schedule }: ScheduledCommand): Run | undefined {
    const last = this.#lastRuns.get(name);
    if (concurrency === undefined && last !== undefined && last.outcome === undefined) {
      this.#logUnderWay(name, "");
      return undefined;
    }
    const run = this.#options.dispatcher.start(schedulerIdentity, name, schedule.args, {
      source: "schedule",
      detached: true,
      kept: true,
    });
    if (concurrency === undefined) this.#lastRuns.set(name, run);
    return run;
  }

  /** One of several servers tells of a time that none of them has started. */
  async #missed({ name, schedule }: ScheduledCommand, missedMs: number): Promise<void> {
    if (this.#shared !== undefined && schedule.once) {
      const claim = await this.#shared.ask({ command: name, plannedMs: missedMs, isAlone: false });
      if (claim?.kind !== "ours") return;
    }
    this.#logMissed(name, missedMs);
  }

  #logUnderWay(name: string, where: string): void {
    const message = `its last run is still under way${where}, and so this one is left out; concurrency may say otherwise`;
    this.#log(name, message);
  }

  #logUnknown(name: string, plannedMs: number, reason: string): void {
    const time = new Date(plannedMs).toISOString();
    this.#log(
      name,
      `its time of ${time} was not started here, because nobody could say whether another instance has started it (${reason}); it is not made up for`,
    );
  }

  #logMissed(name: string, missedMs: number): void {
    const since = new Date(missedMs).toISOString();
    this.#log(name, `its time of ${since} was missed, and any after it until the last one; it is not made up for`);
  }

  #log(command: string, message: string): void {
    const { owner } = schedulerIdentity;
    this.#options.logs?.error({ event: "schedule", message, command, owner, source: "schedule" });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#forgetRegistry?.();
    this.#shared?.close();
  }
}

function isScheduled(command: Command): command is Command & ScheduledCommand {
  return command.schedule !== undefined;
}
