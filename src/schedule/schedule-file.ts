/**
 * Keeps on the disk what the schedules of a server have done so far, so that a restart neither loses a planned time nor
 * starts it twice.
 */
import { readFileSync } from "node:fs";
import { systemCodeOf } from "../files/system-code.js";
import { IscepError, textOfThrown } from "../errors.js";
import { writeFileAtomically } from "../files/atomic-file.js";
import type { ScheduleState } from "./planned-times.js";

const version = 1;

/**
 * The state of the schedules, by names of commands. It is empty when there is no file yet.
 * @throws IscepError `configuration` when it cannot be read: to begin again could start a run twice
 */
export function readScheduleFile(file: string): Map<string, ScheduleState> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (systemCodeOf(cause) === "ENOENT") return new Map();
    throw unreadable(file, textOfThrown(cause), cause);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw unreadable(file, "it is not JSON", cause);
  }
  const schedules = isRecord(content) && content["version"] === version ? content["schedules"] : undefined;
  if (!isRecord(schedules)) throw unreadable(file, "it is no file of this version");
  return new Map(
    Object.entries(schedules).map(([name, state]) => {
      if (!isState(state)) throw unreadable(file, `what it says of "${name.slice(0, 128)}" cannot be understood`);
      return [name, state];
    }),
  );
}

/** The file is on the disk when this returns. It need not be fast, because it is written once for each planned time. */
export function writeScheduleFile(file: string, states: ReadonlyMap<string, ScheduleState>): void {
  writeFileAtomically(file, `${JSON.stringify({ version, schedules: Object.fromEntries(states) }, undefined, 2)}\n`);
}

function unreadable(file: string, reason: string, cause?: unknown): IscepError {
  return new IscepError(
    "configuration",
    `what the schedules have started is not known: ${file}: ${reason}. ` +
      "Mend the file; or remove it, and the schedules begin anew",
    { cause },
  );
}

function isState(value: unknown): value is ScheduleState {
  return (
    isRecord(value) &&
    typeof value["pattern"] === "string" &&
    typeof value["seenMs"] === "number" &&
    Array.isArray(value["started"]) &&
    value["started"].every(isRow)
  );
}

function isRow(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && value.every((time) => typeof time === "number");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
