/** The longest time that a timer of Node can have. A longer one would be over at once. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * Waits for the work, but no longer than this. Resolves to undefined when it takes longer.
 * @throws what the work throws in this time
 */
export async function within<Value>(work: Promise<Value>, timeoutMs: number): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, Math.min(timeoutMs, longestTimerMs), undefined);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * As `within`. Resolves to true when the work was done in time, or when there is none.
 * @throws as `within`
 */
export async function isDoneWithin(work: Promise<unknown> | undefined, timeoutMs: number): Promise<boolean> {
  return (
    work === undefined ||
    (await within(
      work.then(() => true),
      timeoutMs,
    )) === true
  );
}
