import type { Identity } from "./identity.js";
import { outputChangesOf, type Outcome, type OutcomeStatus, type OutputChanges } from "./outcome.js";

/** `running`, or how the run ended. */
export const runStatuses = [
  "running",
  "completed",
  "failed",
  "killed",
  "timeout",
  "cancelled",
  "rejected",
  "lost",
] as const satisfies readonly (OutcomeStatus | "running")[];

/** What is kept of the arguments of a run whose command has `logArgs`. */
export interface KeptArguments {
  /** The values by name: those that were given, and the defaults of the others. */
  readonly arguments: Readonly<Record<string, unknown>>;
  /** The names of those whose value is not kept: secrets, and what was too large. */
  readonly argumentsOmitted?: readonly string[];
}

/** A run as others may see it. */
export interface RunRecord extends OutputChanges, Partial<KeptArguments> {
  /** The id of the run (UUIDv7). */
  readonly run: string;
  /** The name of its command. */
  readonly command: string;
  /** The owner of the token that called it; `schedule` for scheduled runs. */
  readonly owner: string;
  /** When it was called, as Unix time in milliseconds. */
  readonly startedAtMs: number;
  /** When it ended, as Unix time in milliseconds; absent while it is under way. */
  readonly endedAtMs?: number;
  /** `running`, or how it ended. */
  readonly status: OutcomeStatus | "running";
  /** The error code of a run that did not complete. */
  readonly code?: string;
  /** The exit code of a script that ended by itself. */
  readonly exitCode?: number;
  /** The name of the signal that ended a script. */
  readonly signal?: string;
  /** How many bytes it has printed so far, on both channels together. */
  readonly outputBytes: number;
}

/** A page of a list of runs. */
export interface RunsPage {
  /** Newest first. */
  readonly runs: readonly RunRecord[];
  /** To be given as `after` for the next page; absent on the last one. */
  readonly next?: string;
  /** Instances of a service that are there and did not answer, so that their runs are not in the page. */
  readonly missing?: readonly string[];
}

export function maySee(identity: Identity, { owner, command }: Pick<RunRecord, "owner" | "command">): boolean {
  return (owner === identity.owner && identity.mayRun(command)) || identity.maySeeRunsOf(command);
}

/**
 * Whether this caller may send the standard input of a run. A right to see the runs of others is no right to answer in
 * their place. Rules for values of arguments do not cover what is typed. So a token with such rules may type only into
 * runs that it has started.
 */
export function mayType(
  identity: Pick<Identity, "owner" | "tokenId" | "mayRun" | "argumentRules">,
  { command, owner, tokenId }: Pick<Identity, "owner" | "tokenId"> & { readonly command: string },
): boolean {
  if (owner !== identity.owner || !identity.mayRun(command)) return false;
  return tokenId === identity.tokenId || identity.argumentRules(command) === undefined;
}

/** Takes the kept arguments from a record, or from a value of a file that may be no record. */
export function keptArgumentsIn(record: { readonly [name in keyof KeptArguments]?: unknown }): Partial<KeptArguments> {
  const { arguments: values, argumentsOmitted: omitted } = record;
  if (typeof values !== "object" || values === null || Array.isArray(values)) return {};
  const isList = Array.isArray(omitted) && omitted.every((name) => typeof name === "string");
  return {
    arguments: values as KeptArguments["arguments"],
    ...(isList ? { argumentsOmitted: omitted } : {}),
  };
}

/** What logs and lists say about an outcome, in addition to its status. */
export function factsOf(outcome: Outcome): Pick<RunRecord, "code" | "exitCode" | "signal" | keyof OutputChanges> {
  return {
    ...("error" in outcome ? { code: outcome.error.code } : {}),
    ...("exitCode" in outcome && outcome.exitCode !== undefined ? { exitCode: outcome.exitCode } : {}),
    ...("signal" in outcome ? { signal: outcome.signal } : {}),
    ...outputChangesOf(outcome),
  };
}
