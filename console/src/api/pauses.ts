/** How long to wait before the next attempt to reach a server that is gone: longer each time, and never all clients at once. */

const firstMs = 400;
const longestMs = 15_000;

/** @param attempt from 0 @param random from 0 to 1 */
export function pauseMs(attempt: number, random: number): number {
  const full = Math.min(longestMs, firstMs * 2 ** Math.min(attempt, 10));
  return Math.round(full * (0.75 + random / 4));
}
