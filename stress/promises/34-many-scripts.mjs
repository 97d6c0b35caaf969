// @ts-check
import { inMiB } from "../support/serving.mjs";
import { manyAtOnce, startServer } from "../support/figures.mjs";

export const number = 34;
export const promise = "scripts that run at once share nothing";
export const promised = "200 scripts at once with 20,000 lines on each channel: no byte lost or mixed";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  const server = await startServer();
  try {
    const { count, bytes, wrong, ms } = await manyAtOnce(server, isShort ? 40 : 200, isShort ? 1_000 : 20_000);
    return {
      measured: `${count} scripts, ${inMiB(bytes)} in ${(ms / 1_000).toFixed(1)} s: ${wrong} outputs wrong`,
      held: wrong === 0,
    };
  } finally {
    await server.close();
  }
}
