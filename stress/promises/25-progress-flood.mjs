// @ts-check
import { attack } from "../support/attack.mjs";
import { inMiB, watchRss, withServer } from "../support/serving.mjs";

export const number = 25;
export const promise = "progress that nobody reads is not kept";
export const promised = "10 functions that report a million times, to callers who read nothing: at most 200 MiB more";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  return withServer({ tokens: true }, async (server) => {
    await server.memory();
    const watch = watchRss(server.pid);
    await attack("progress-flood", {
      target: server.target,
      token: server.token,
      connections: 10,
      count: isShort ? 100_000 : 1_000_000,
      seconds: isShort ? 4 : 20,
    });
    const { growthBytes } = watch.stop();
    return { measured: `${inMiB(growthBytes)} more`, held: growthBytes <= 200 * 1024 * 1024 * slack };
  });
}
