// @ts-check
/** Work that blocks. With `thread: true`, a worker thread imports this module and runs the command. */
import { threadId } from "node:worker_threads";
import { declareArguments, defineCommand } from "iscep";

export const countPrimes = defineCommand({
  name: "count_primes",
  description: "Count the primes below a number, slowly",
  args: declareArguments({ below: { type: "integer", minimum: 0, maximum: 10_000_000 } }),
  thread: true,
  run: ({ below }) => {
    let count = 0;
    for (let candidate = 2; candidate < below; candidate++) if (isPrime(candidate)) count++;
    return { count, threadId };
  },
});

/** @param {number} candidate */
function isPrime(candidate) {
  for (let factor = 2; factor * factor <= candidate; factor++) if (candidate % factor === 0) return false;
  return true;
}
