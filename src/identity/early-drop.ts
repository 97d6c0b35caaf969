import type { Limits } from "../limits/limits.js";

/** What `earlyDropStart` names in its reason: the share that is dropped where dropping begins. */
const firstProbability = 0.3;

/**
 * How likely a new connection is dropped, from 0 to 1, with so many connections open that have not shown a good token.
 * By chance rather than by turn: an attacker who holds the places cannot choose who is dropped.
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
