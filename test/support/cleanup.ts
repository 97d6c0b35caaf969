/** What a test opens is closed after it, in the reverse order, before handles are counted (test/support/leaks.ts). */
import { afterAll, beforeAll, onTestFinished, TestRunner } from "vitest";

type Step = () => unknown;

let steps: Step[] = [];

export function later(step: Step): void {
  // Otherwise the next file in this process that closes what it has opened would close this too.
  if (steps.length === 0 && TestRunner.getCurrentTest() !== undefined) onTestFinished(cleanUp);
  steps.push(step);
}

/**
 * For what takes long to start, and that no test changes for the next one: `open` is called once before the tests of this
 * file or `describe`, and what it opens is closed after the last of them.
 */
export function shared<Opened>(open: () => Promise<Opened>): () => Opened {
  const own: Step[] = [];
  let opened: { readonly value: Opened } | undefined;
  beforeAll(async () => {
    const others = steps;
    steps = own;
    try {
      opened = { value: await open() };
    } finally {
      steps = others;
    }
  });
  afterAll(() => takeAll(own));
  return () => {
    if (opened === undefined) throw new Error("this is opened only for tests");
    return opened.value;
  };
}

export function cleanUp(): Promise<void> {
  return takeAll(steps);
}

async function takeAll(list: Step[]): Promise<void> {
  const errors: unknown[] = [];
  for (let step = list.pop(); step !== undefined; step = list.pop()) {
    try {
      await step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, "cleaning up failed");
}
