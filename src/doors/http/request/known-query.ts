/** Refuses parameters of a query that mean nothing there. Otherwise they would be ignored in silence. */
import { IscepError } from "../../../errors.js";
import type { HttpContext } from "./mount.js";

/**
 * @param known the parameters that count here
 * @param hint what to do instead, as a clause
 * @throws IscepError `usage`
 */
export function refuseUnknownQuery({ req }: HttpContext, known: readonly string[], hint?: string): void {
  const stranger = Object.keys(req.query()).find((name) => !known.includes(name));
  if (stranger === undefined) return;
  const there = known.length === 0 ? "there is none here" : `there is ${known.join(", ")}`;
  const name = JSON.stringify(stranger.slice(0, 64));
  throw new IscepError("usage", `the query has no parameter ${name}; ${hint ?? there}`);
}
