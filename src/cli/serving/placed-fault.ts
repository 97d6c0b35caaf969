/** Finds the place in a configuration that names the file of a fault. */
import { IscepError, isIscepError } from "../../errors.js";

/** Returns the same fault, with `FILE:LINE:COLUMN` in front when it names a path that stands in a configuration. */
export function placed(fault: unknown, places: ReadonlyMap<string, string>): unknown {
  if (!isIscepError(fault) || fault.code !== "configuration") return fault;
  const place = placeIn(fault.message, places);
  if (place === undefined) return fault;
  return new IscepError(fault.code, `${place}: ${fault.message}`, { cause: fault, details: fault.details });
}

/** The longest path counts, because a shorter one may be its beginning. */
export function placeIn(message: string, places: ReadonlyMap<string, string>): string | undefined {
  const named = [...places.keys()].filter((path) => message.includes(path));
  return places.get(named.toSorted((one, other) => other.length - one.length)[0] ?? "");
}
