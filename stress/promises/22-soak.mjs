// @ts-check
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { attack, startHonest } from "../support/attack.mjs";
import { descriptorsOf, inMiB, withServer } from "../support/serving.mjs";

export const number = 22;
export const promise = "a server stays as it is under mixed load, for as long as it runs";
export const promised =
  "honest calls, scripts, churn and broken packets together: memory grows at most 1 MiB in 10 minutes after warming up (8 MiB in shorter soaks), descriptors stay, honest p99 at most 50 ms";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, soakMs, slack }) {
  const lengthMs = isShort ? 8_000 : soakMs;
  return withServer({ tokens: true }, async (server) => {
    const { target, token, url } = server;
    const honest = await startHonest({ url, token, pauseMs: 10 });
    const over = new AbortController();
    const client = await connect(url, { token });
    const goesOn = async (/** @type {() => Promise<unknown>} */ once) => {
      while (!over.signal.aborted) await once();
    };
    const load = [
      goesOn(async () => {
        await client.call("hello", {});
        await sleep(50);
      }),
      goesOn(async () => {
        await attack("churn", { target, token, count: 200 });
        await sleep(500);
      }),
      goesOn(async () => {
        await attack("malformed", { target, count: 100, seed: 22 });
        await sleep(1_000);
      }),
    ];
    const warmMs = Math.min(lengthMs / 3, 120_000);
    await sleep(warmMs);
    const fromMs = performance.now();
    /** @type {{ atMs: number, rss: number, descriptors: number }[]} */
    const samples = [];
    while (performance.now() - fromMs < lengthMs - warmMs) {
      samples.push({
        atMs: performance.now() - fromMs,
        rss: (await server.memory()).rss,
        descriptors: descriptorsOf(server.pid),
      });
      await sleep(Math.min(5_000, lengthMs / 20));
    }
    over.abort();
    await Promise.all(load);
    const caller = await honest.stop();
    await client.close();
    // Least squares, as one sample says little.
    const meanMs = samples.reduce((sum, { atMs }) => sum + atMs, 0) / samples.length;
    const mean = samples.reduce((sum, { rss }) => sum + rss, 0) / samples.length;
    const slope =
      samples.reduce((sum, { atMs, rss }) => sum + (atMs - meanMs) * (rss - mean), 0) /
      samples.reduce((sum, { atMs }) => sum + (atMs - meanMs) ** 2, 0);
    const growthBytes = slope * (lengthMs - warmMs);
    const allowed = (lengthMs >= 600_000 ? 1 : 8) * 1024 * 1024;
    const spread = Math.max(...samples.map(({ descriptors }) => descriptors)) - (samples[0]?.descriptors ?? 0);
    return {
      measured: `${(lengthMs / 1_000).toFixed(0)} s: ${inMiB(growthBytes)} by its slope, at most ${spread} descriptors more, ${caller.failed} of ${caller.calls} honest calls failed, p99 ${caller.p99Ms.toFixed(1)} ms`,
      held:
        growthBytes <= allowed * (isShort ? 4 : 1) &&
        spread <= 100 &&
        caller.failed === 0 &&
        caller.p99Ms <= 50 * slack,
    };
  });
}
