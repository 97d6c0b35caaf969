import { existsSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Looks again and again, for at most 25 seconds, of the 60 that a test has: for what the system does by itself, and tells nobody. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  complaint = "it did not come to that",
): Promise<void> {
  const endMs = performance.now() + 25_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(complaint);
    await sleep(5);
  }
}

export function appears(file: string): Promise<void> {
  return until(() => existsSync(file), `${path.basename(file)} did not appear`);
}
