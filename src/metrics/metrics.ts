/**
 * Counts what happens. A count is a number that goes up where the fact is decided, and nothing else is done for it until
 * somebody asks.
 */
import type { RunOutcome, OutcomeStatus } from "../model/outcome.js";
import { durationBuckets } from "./metric-table.js";

/** Names that are not registered, and those beyond the limit, count here. No command can have this name. */
export const otherCommands = "(other)";

export class CommandCounts {
  readonly byStatus: Record<OutcomeStatus, number> = {
    completed: 0,
    failed: 0,
    killed: 0,
    timeout: 0,
    cancelled: 0,
    rejected: 0,
    lost: 0,
  };
  /** For each bucket, the runs that fit into no smaller one. The last bucket is for runs above all bounds. */
  readonly durations: number[] = Array.from({ length: durationBuckets.length + 1 }, () => 0);
  durationMs = 0;
  truncated = 0;
  outputBytes = 0;
}

export interface MetricsOptions {
  /** How many commands have counts of their own. */
  readonly maxMetricCommands: number;
  isRegistered(command: string): boolean;
}

export class Metrics {
  readonly commands = new Map<string, CommandCounts>();
  readonly refusals = new Map<string, number>();
  readonly notices = { given: 0, failed: 0, dropped: 0 };
  connections = 0;
  refusedConnections = 0;
  failedTokens = 0;
  readonly #options: MetricsOptions;

  constructor(options: MetricsOptions) {
    this.#options = options;
  }

  /** A run has ended. @param durationMs 0 when it ended within its call */
  ended(command: string, outcome: RunOutcome, durationMs: number, outputBytes: number): void {
    const counts = this.commands.get(command) ?? this.#countsFor(command);
    const { status } = outcome;
    counts.byStatus[status]++;
    if (status === "rejected") {
      const { code } = outcome.error;
      this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
      return;
    }
    // A clock that is set back must not make the sum smaller.
    counts.durationMs += Math.max(0, durationMs);
    counts.outputBytes += outputBytes;
    let bucket = 0;
    while (bucket < bucketsMs.length && durationMs > (bucketsMs[bucket] ?? 0)) bucket++;
    counts.durations[bucket] = (counts.durations[bucket] ?? 0) + 1;
    if ("truncated" in outcome && outcome.truncated) counts.truncated++;
  }

  /** A run of a server that is gone was found to be lost. */
  lost(command: string): void {
    (this.commands.get(command) ?? this.#countsFor(command)).byStatus.lost++;
  }

  #countsFor(command: string): CommandCounts {
    const hasRoom = this.commands.size < this.#options.maxMetricCommands;
    const name = hasRoom && this.#options.isRegistered(command) ? command : otherCommands;
    const counts = this.commands.get(name) ?? new CommandCounts();
    this.commands.set(name, counts);
    return counts;
  }
}

const bucketsMs = durationBuckets.map((seconds) => seconds * 1_000);
