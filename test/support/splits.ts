/** Every way to cut a stream that a test has to try: whole, byte by byte, and at every single cut. */
export function* everySplit(bytes: Buffer): Generator<{ name: string; chunks: Buffer[] }> {
  yield { name: "whole", chunks: [bytes] };
  yield { name: "byte by byte", chunks: Array.from(bytes, (byte) => Buffer.of(byte)) };
  for (let cut = 1; cut < bytes.length; cut++) {
    yield { name: `cut at ${cut}`, chunks: [bytes.subarray(0, cut), bytes.subarray(cut)] };
  }
}

/** Every split, but for long streams only some thousand cuts, spread evenly. */
export function* someSplits(bytes: Buffer, mostCuts = 400): Generator<{ name: string; chunks: Buffer[] }> {
  const step = Math.max(1, Math.floor(bytes.length / mostCuts));
  let index = 0;
  for (const split of everySplit(bytes)) if (index++ % step === 0 || index <= 70) yield split;
}
