// @ts-check
import { firstByte, startServer } from "../support/figures.mjs";

export const number = 33;
export const promise = "a script's first output comes almost as soon as that of a bare process";
export const promised = "from the call to the first byte: at most 1.5 times a bare spawn, median of 200";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const server = await startServer();
  try {
    const { bareMs, iscepMs, ratio } = await firstByte(server, isShort ? 20 : 200);
    return {
      measured: `${iscepMs.toFixed(2)} ms, bare ${bareMs.toFixed(2)} ms: ${ratio.toFixed(2)} times`,
      held: ratio <= 1.5 * Math.min(slack, 2),
    };
  } finally {
    await server.close();
  }
}
