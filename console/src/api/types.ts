/** What the server tells, as this page uses it. Each has a reader, because answers come from outside. */
import type { JsonSchema } from "../forms/field.js";
import { listOf, objectOf, optionalNumber, optionalText, textOf, textsOf, type JsonObject } from "./reading.js";

export interface Command {
  readonly name: string;
  readonly description: string;
  readonly kind: string;
  readonly args: JsonSchema;
  readonly timeoutMs: number;
  readonly takesInput: boolean;
  /** Its program works with a terminal. */
  readonly isOnTerminal: boolean;
  /** A person must say yes before it runs. */
  readonly mustConfirm: boolean;
  readonly isReadOnly: boolean;
  readonly isIdempotent: boolean;
  readonly group: string;
}

export function readCommand(value: unknown): Command {
  const command = objectOf(value);
  const flag = (name: string): boolean => command[name] === true;
  const name = textOf(command["name"]);
  return {
    name,
    description: textOf(command["description"]),
    kind: textOf(command["kind"]),
    args: objectOf(command["args"]),
    timeoutMs: optionalNumber(command["timeoutMs"]) ?? 0,
    takesInput: flag("stdin"),
    isOnTerminal: flag("terminal"),
    mustConfirm: flag("confirm"),
    isReadOnly: flag("readOnly"),
    isIdempotent: flag("idempotent"),
    group: textOf(command["group"], groupOf(name)),
  };
}

/** Commands of modules are named by their parts: `database.dump` and `database.restore` belong together. */
function groupOf(name: string): string {
  const at = name.search(/[.:/]/);
  return at > 0 ? name.slice(0, at) : "";
}

export const endedStatuses = ["completed", "failed", "killed", "timeout", "cancelled", "rejected", "lost"] as const;
export type RunStatus = (typeof endedStatuses)[number] | "running";

export interface RunRecord {
  readonly run: string;
  readonly command: string;
  readonly owner: string;
  readonly startedAtMs: number | undefined;
  readonly endedAtMs: number | undefined;
  readonly status: RunStatus;
  readonly code: string | undefined;
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly outputBytes: number;
  readonly isTruncated: boolean;
  readonly isMasked: boolean;
  /** The sentence of the error of a run that did not complete. */
  readonly message: string | undefined;
  readonly action: string | undefined;
  readonly value: unknown;
  /** undefined when the server did not keep them. */
  readonly args: JsonObject | undefined;
  /** The names of those that were not kept: secrets, and what was too large. */
  readonly omittedArgs: readonly string[];
  /** This owner can type to the run. */
  readonly isInputOpen: boolean;
}

export function readRun(value: unknown): RunRecord {
  const run = objectOf(value);
  const error = objectOf(run["error"]);
  return {
    run: textOf(run["run"]),
    command: textOf(run["command"]),
    owner: textOf(run["owner"]),
    startedAtMs: optionalNumber(run["startedAtMs"]),
    endedAtMs: optionalNumber(run["endedAtMs"]),
    status: readStatus(run["status"]),
    code: optionalText(run["code"]) ?? optionalText(error["code"]),
    exitCode: optionalNumber(run["exitCode"]),
    signal: optionalText(run["signal"]),
    outputBytes: optionalNumber(run["outputBytes"]) ?? 0,
    isTruncated: run["truncated"] === true,
    isMasked: run["masked"] === true,
    message: optionalText(error["message"]) ?? optionalText(error["detail"]) ?? optionalText(run["detail"]),
    action: optionalText(error["action"]) ?? optionalText(run["action"]),
    value: run["value"],
    args: run["arguments"] === undefined ? undefined : objectOf(run["arguments"]),
    omittedArgs: textsOf(run["argumentsOmitted"]),
    isInputOpen: objectOf(run["input"])["offset"] !== undefined,
  };
}

export function readStatus(value: unknown): RunStatus {
  return endedStatuses.find((status) => status === value) ?? "running";
}

export interface RunsPage {
  readonly runs: readonly RunRecord[];
  readonly next: string | undefined;
}

export function readRunsPage(value: unknown): RunsPage {
  const page = objectOf(value);
  return { runs: listOf(page["runs"]).map(readRun), next: optionalText(page["next"]) };
}

export interface Schedule {
  readonly command: string;
  readonly cron: string;
  readonly timeZone: string;
  /** The next planned times, the first one first. */
  readonly nextTimesMs: readonly number[];
  readonly lastAtMs: number | undefined;
  readonly lastStatus: RunStatus | undefined;
  readonly lastRun: string | undefined;
  readonly args: JsonObject;
}

export function readSchedule(value: unknown): Schedule {
  const schedule = objectOf(value);
  const last = objectOf(schedule["last"]);
  return {
    command: textOf(schedule["command"]),
    cron: textOf(schedule["cron"]),
    timeZone: textOf(schedule["timeZone"]),
    nextTimesMs: listOf(schedule["nextMs"]).flatMap((timeMs) => optionalNumber(timeMs) ?? []),
    lastAtMs: optionalNumber(last["startedAtMs"]),
    lastStatus: last["status"] === undefined ? undefined : readStatus(last["status"]),
    lastRun: optionalText(last["run"]),
    args: objectOf(schedule["args"]),
  };
}

/** One thing that a token may do, and by which of its scopes. */
export interface Right {
  readonly command: string;
  readonly why: string;
}

export interface Session {
  readonly owner: string;
  readonly tokenId: string | undefined;
  /** The scopes of the token; undefined when it has no scopes, and so may do everything. */
  readonly scopes: readonly string[] | undefined;
  readonly expiresAtMs: number | undefined;
  readonly rights: readonly Right[];
  /** The server asks for no token. */
  readonly isOpen: boolean;
}

export function readSession(value: unknown): Session {
  const session = objectOf(value);
  return {
    owner: textOf(session["owner"]),
    tokenId: optionalText(session["tokenId"]),
    scopes: Array.isArray(session["scopes"]) ? textsOf(session["scopes"]) : undefined,
    expiresAtMs: optionalNumber(session["expiresAtMs"]),
    rights: listOf(session["commands"]).map((right) => {
      const facts = objectOf(right);
      return { command: textOf(facts["command"]), why: textOf(facts["why"]) };
    }),
    isOpen: session["open"] === true,
  };
}
