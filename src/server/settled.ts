/**
 * Waits for the work, but no longer than this. Resolves to true when it was done in time.
 * @throws what the work throws
 */
export async function settled(work: Promise<unknown> | undefined, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), timeoutMs)));
  return Promise.race([tooLate, Promise.resolve(work).then(() => true)]).finally(() => clearTimeout(timer));
}
