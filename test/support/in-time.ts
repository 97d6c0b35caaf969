/**
 * Runs steps that say something only when they take less than so long: a limit that was made small must not pass meanwhile, or
 * they are promised to be quick. A machine that stands still, or has much else to do, makes them take longer without a fault of
 * ours. Then they are run again from their beginning; so they have to make all that they change.
 * @param steps may call `from` when the time begins to count. Default: at once
 */
export async function inTime<Result>(
  limitMs: number,
  steps: (from: () => void) => Promise<Result>,
  tries = 8,
): Promise<Result> {
  for (let left = tries; ; left--) {
    let fromMs = performance.now();
    const isInTime = (): boolean => performance.now() - fromMs < limitMs;
    try {
      const result = await steps(() => (fromMs = performance.now()));
      if (isInTime()) return result;
    } catch (error) {
      // What failed in time did not fail for want of time.
      if (isInTime() || left <= 1) throw error;
      continue;
    }
    if (left <= 1) throw new Error(`it took longer than ${limitMs} ms, ${tries} times in a row`);
  }
}
