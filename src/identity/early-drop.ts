import type { Limits } from "../limits/limits.js";

/** What `earlyDropStart` names in its reason: the share that is dropped where dropping begins. */
const firstProbability = 0.3;

/**
 * The probability, from 0 to 1, that a new connection is dropped, when so many open connections have not shown a good
 * token. Chance decides, and not the order, so an attacker who shares the address with others cannot choose who is
 * dropped.
 */
export function earlyDropProbability(
  unauthenticatedOfSource: number,
  limits: Pick<Limits, "earlyDropStart" | "maxUnauthenticatedConnections">,
): number {
  const { earlyDropStart: start, maxUnauthenticatedConnections: end } = limits;
  if (unauthenticatedOfSource >= end) return 1;
  if (unauthenticatedOfSource < start) return 0;
  return firstProbability + ((1 - firstProbability) * (unauthenticatedOfSource - start)) / (end - start);
}
