/** Reads what a server says about its runs. The other side may be hostile, so everything is checked. */
import { IscepError } from "../../errors.js";
import { runStatuses, type RunRecord, type RunsPage } from "../../model/run-record.js";
import { isJsonObject } from "../../wire/json.js";

const statuses: ReadonlySet<string> = new Set(runStatuses);

/** @throws IscepError `protocol` */
export function readRunsPage(answer: unknown, after: string | undefined): RunsPage {
  if (!isJsonObject(answer) || !Array.isArray(answer["runs"])) throw wrong("is no list");
  const runs = answer["runs"].map(readRecord);
  const { next } = answer;
  if (next === undefined) return { runs };
  // Otherwise a hostile server could make a program ask for pages without end.
  if (typeof next !== "string" || runs.length === 0 || next === after || next !== runs.at(-1)?.run) {
    throw wrong("does not end");
  }
  return { runs, next };
}

function readRecord(record: unknown): RunRecord {
  if (!isRunRecord(record)) throw wrong("holds what is no run");
  return record;
}

export function isRunRecord(record: unknown): record is RunRecord {
  if (!isJsonObject(record)) return false;
  const {
    run,
    command,
    owner,
    status,
    startedAtMs,
    endedAtMs,
    outputBytes,
    code,
    exitCode,
    signal,
    truncated,
    masked,
    arguments: values,
    argumentsOmitted,
  } = record;
  return (
    [run, command, owner].every((text) => typeof text === "string") &&
    [startedAtMs, outputBytes].every((number) => typeof number === "number") &&
    [endedAtMs, exitCode].every((number) => number === undefined || typeof number === "number") &&
    [truncated, masked].every((flag) => flag === undefined || flag === true) &&
    [code, signal].every((text) => text === undefined || typeof text === "string") &&
    (values === undefined || isJsonObject(values)) &&
    (argumentsOmitted === undefined || isListOfTexts(argumentsOmitted)) &&
    typeof status === "string" &&
    statuses.has(status)
  );
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === "string");
}

function wrong(what: string): IscepError {
  return new IscepError("protocol", `the server's list of runs ${what}`);
}
