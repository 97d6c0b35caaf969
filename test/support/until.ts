import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Looks again and again, for at most 25 seconds, of the 60 that a test has: for what the system does by itself, and tells
 * nobody. What has been waited for long is looked at less often, as other tests need the processor.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  complaint = "it did not come to that",
): Promise<void> {
  const startMs = performance.now();
  while (!(await condition())) {
    const waitedMs = performance.now() - startMs;
    if (waitedMs > 25_000) throw new Error(complaint);
    await sleep(Math.min(5 + waitedMs / 25, 50));
  }
}

export function appears(file: string): Promise<void> {
  return until(() => existsSync(file), `${path.basename(file)} did not appear`);
}
