import { IscepError } from "../errors.js";

const namePattern = /^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$/;
/** Names that begin with this belong to iscep, such as `iscep.list`. */
const reservedPrefix = "iscep.";

/** The JSON Schema of a command's name. */
export const commandNameSchema = {
  pattern: `^(?!${reservedPrefix.replace(".", String.raw`\.`)})${namePattern.source.slice(1)}`,
};

/** @throws IscepError `usage` */
export function checkCommandName(name: unknown): asserts name is string {
  if (typeof name !== "string" || !namePattern.test(name)) {
    throw new IscepError(
      "usage",
      `${JSON.stringify(String(name).slice(0, 64))} is no name for a command: letters, digits and _ . : - after a letter or _, at most 128`,
    );
  }
  if (name.startsWith(reservedPrefix)) {
    throw new IscepError(
      "usage",
      `names that begin with "${reservedPrefix}" are iscep's own; name the command otherwise`,
    );
  }
}

/** @throws IscepError `usage` */
export function checkTimeout(name: string, timeoutMs: number | undefined): void {
  // Node's timers turn a longer delay into 1 ms.
  if (timeoutMs === undefined || (Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs < 2 ** 31)) return;
  throw new IscepError(
    "usage",
    `the timeoutMs of "${name}" must be a whole number of milliseconds from 1 to ${2 ** 31 - 1}`,
  );
}
