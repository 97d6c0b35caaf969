import type { Limits } from "../limits/limits.js";

/** The share of new connections that is dropped where dropping begins. The reason of `earlyDropStart` names it. */
const firstProbability = 0.3;

/**
 * The probability, from 0 to 1, that a new connection is dropped, when so many open connections have not shown a good
 * token. Chance decides, and not the order, so an attacker who holds the places cannot choose who is dropped.
 */
export function earlyDropProbability(
  unauthenticated: number,
  limits: Pick<Limits, "earlyDropStart" | "maxUnauthenticatedConnections">,
): number {
  const { earlyDropStart: start, maxUnauthenticatedConnections: end } = limits;
  if (unauthenticated >= end) return 1;
  if (unauthenticated < start) return 0;
  return firstProbability + ((1 - firstProbability) * (unauthenticated - start)) / (end - start);
}
