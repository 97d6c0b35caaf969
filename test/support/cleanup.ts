/** What a test opens is closed after it, in the reverse order, before handles are counted (test/support/leaks.ts). */
const steps: (() => unknown)[] = [];

export function later(step: () => unknown): void {
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
