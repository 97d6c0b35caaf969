// Makes medians of ratios, because machines are noisy and change over time. The two programs take turns, and each goes
// first every other time.
export const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

function spread(numbers, digits) {
  return `${Math.min(...numbers).toFixed(digits)} to ${Math.max(...numbers).toFixed(digits)}`;
}

/**
 * Runs both programs `rounds` times. `figures` name what is compared in their answers: `{ key, what, unit, digits,
 * promise, atMost }`. The promise is a ratio of iscep to bare: at least that, or at most with `atMost`.
 */
export async function compare({ title, rounds, bare, iscep, names = ["bare", "iscep"], figures }) {
  const pairs = [];
  for (let round = 0; round < rounds; round++) {
    const pair = {};
    const measures = [async () => (pair.bare = await bare()), async () => (pair.iscep = await iscep())];
    for (const measure of round % 2 === 0 ? measures : measures.toReversed()) await measure();
    pairs.push(pair);
  }
  console.log(`${title} (${rounds} rounds)`);
  const width = Math.max(...names.map((name) => name.length), "ratio".length);
  for (const { key, what, unit, digits = 0, promise, atMost = false } of figures) {
    const ratios = pairs.map((pair) => pair.iscep[key] / pair.bare[key]);
    for (const [index, name] of names.entries()) {
      const values = pairs.map((pair) => (index === 0 ? pair.bare : pair.iscep)[key]);
      console.log(
        `  ${name.padEnd(width)}  ${what} ${median(values).toFixed(digits)} ${unit} (${spread(values, digits)})`,
      );
    }
    const promised = promise === undefined ? "" : `; promised: at ${atMost ? "most" : "least"} ${promise.toFixed(2)}`;
    console.log(`  ${"ratio".padEnd(width)}  ${median(ratios).toFixed(2)} (${spread(ratios, 2)})${promised}`);
  }
  console.log("");
}

/** @param values the bytes of each program */
export function tellBytes(title, values, promise) {
  console.log(title);
  for (const [name, bytes] of Object.entries(values))
    console.log(`  ${name.padEnd(6)} ${(bytes / 1024).toFixed(2)} KB`);
  console.log(`  promised: at most ${promise} KB\n`);
}
