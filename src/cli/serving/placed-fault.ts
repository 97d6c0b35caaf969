/** Where a configuration names the file that a fault is about. */
import { IscepError, isIscepError } from "../../errors.js";

/** The same fault; with `FILE:LINE:COLUMN` before it where it names a path that stands in a configuration. */
export function placed(fault: unknown, places: ReadonlyMap<string, string>): unknown {
  if (!isIscepError(fault) || fault.code !== "configuration") return fault;
  const place = placeIn(fault.message, places);
  if (place === undefined) return fault;
  return new IscepError(fault.code, `${place}: ${fault.message}`, { cause: fault, details: fault.details });
}

/** Of several paths the longest: others may be how it begins. */
export function placeIn(message: string, places: ReadonlyMap<string, string>): string | undefined {
  const named = [...places.keys()].filter((path) => message.includes(path));
  return places.get(named.toSorted((one, other) => other.length - one.length)[0] ?? "");
}
