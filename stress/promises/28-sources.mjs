// @ts-check
import { startAttack, startHonest } from "../support/attack.mjs";
import { withServer } from "../support/serving.mjs";

export const number = 28;
export const promise = "silent connections keep nobody out";
export const promised =
  "1,000 silent connections without a token, from one address and from 50, opened again when they are closed: honest new connections go on, 0 failures, p99 at most 250 ms";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const figures = [];
  for (const addresses of isShort ? [50] : [1, 50]) {
    // The exemption of loopback would make all of them welcome.
    figures.push(
      await withServer({ tokens: true, exemptLocalSources: false }, async (server) => {
        const silent = startAttack("sources", { target: server.target, connections: 1_000, count: addresses });
        await silent.said;
        const honest = await startHonest({ url: server.url, token: server.token, connects: true, pauseMs: 20 });
        await new Promise((resolve) => setTimeout(resolve, isShort ? 5_000 : 20_000));
        const caller = await honest.stop();
        await silent.stop();
        return caller;
      }),
    );
  }
  const failed = figures.reduce((sum, one) => sum + one.failed, 0);
  const p99Ms = Math.max(...figures.map((one) => one.p99Ms));
  return {
    measured: figures
      .map((one) => `${one.failed} of ${one.calls} new connections failed, p99 ${one.p99Ms.toFixed(0)} ms`)
      .join("; "),
    held: failed === 0 && p99Ms <= 250 * slack,
  };
}
