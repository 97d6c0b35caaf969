/** What a test opens is closed after it, in the reverse order, before handles are counted (test/support/leaks.ts). */
import { onTestFinished, TestRunner } from "vitest";

const steps: (() => unknown)[] = [];

export function later(step: () => unknown): void {
  // Otherwise the next file in this process that closes what it has opened would close this too.
  if (steps.length === 0 && TestRunner.getCurrentTest() !== undefined) onTestFinished(cleanUp);
  steps.push(step);
}

export async function cleanUp(): Promise<void> {
  const errors: unknown[] = [];
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "cleaning up failed");
}
