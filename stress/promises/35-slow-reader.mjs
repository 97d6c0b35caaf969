// @ts-check
import { inMiB } from "../support/serving.mjs";
import { slowReader, startServer } from "../support/figures.mjs";

export const number = 35;
export const promise = "a slow reader gets all, and the server keeps little of it";
export const promised = "1 GiB of output to a reader that rests after each MiB: whole, and at most 32 MiB more";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const server = await startServer();
  try {
    const MiB = 1024 * 1024;
    const { read, isWhole, growthBytes } = await slowReader(server, (isShort ? 64 : 1_024) * MiB);
    return {
      measured: `${inMiB(read)} read, ${inMiB(growthBytes)} more`,
      held: isWhole && growthBytes <= 32 * MiB * slack,
    };
  } finally {
    await server.close();
  }
}
