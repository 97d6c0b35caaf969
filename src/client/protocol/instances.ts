/** What there is beyond a single server: the instances of a service. */
import type { Outcome } from "../../model/outcome.js";
import type { AllOptions } from "./options.js";
import type { RunHandle } from "./run-handle.js";

/** One instance of a service on a broker. */
export interface InstanceRecord {
  /** Its id, which is new each time its server starts. */
  readonly instance: string;
  /** Its version of iscep. */
  readonly version: string;
  /** When it started, as Unix time in milliseconds. */
  readonly startedAtMs: number;
  /** `full`: all places are taken. `draining`: it takes no new calls, and closes. */
  readonly state: "ready" | "full" | "draining";
  /** Runs that have a place. */
  readonly running: number;
  /** Calls that wait for a place. */
  readonly waiting: number;
  /** How many runs may have a place at once. */
  readonly places: number;
  /** How many commands it has, also those that this caller may not run. */
  readonly commands: number;
}

/** How a run ended at one instance. */
export interface InstanceOutcome<Value = unknown> {
  /** The id of the instance. */
  readonly instance: string;
  /** The id of the run there. undefined: there is none, or it was not told. */
  readonly run: string | undefined;
  /** The outcome, exactly one for each instance: `rejected` where it did not begin, `lost` where nobody knows. */
  readonly outcome: Outcome<Value>;
  /** The value of a run that completed, and of a script's run that did not. */
  readonly value: Value | undefined;
}

/** A run at one instance, under way or ended. */
export interface InstanceRun<Value = unknown> {
  /** The id of the instance. */
  readonly instance: string;
  /** Its output, progress, outcome and value. */
  readonly run: RunHandle<Value>;
}

/** The same call at all instances. Iterate it for their outcomes, in the order in which they come. */
export interface AllRuns<Value = unknown> extends AsyncIterable<InstanceOutcome<Value>> {
  /**
   * The runs, in the order of the instances' ids, for their output and progress. Rejects when nothing began: with
   * `connect_failed` when there is no instance.
   */
  readonly runs: Promise<readonly InstanceRun<Value>[]>;
  /** All outcomes, when the last one has come, in the order of `runs`. It rejects as `runs` does. */
  readonly outcomes: Promise<readonly InstanceOutcome<Value>[]>;
  /** Asks all of them to stop. */
  cancel(): void;
}

/** What a client of many instances can do in addition. */
export interface ClusterCalls {
  instances(): Promise<InstanceRecord[]>;
  all(command: string, args: unknown, options: AllOptions | undefined): AllRuns;
}
