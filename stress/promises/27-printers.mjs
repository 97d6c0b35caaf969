// @ts-check
import { connect } from "iscep";
import { startHonest } from "../support/attack.mjs";
import { inMiB, watchRss, withServer } from "../support/serving.mjs";

export const number = 27;
export const promise = "scripts that print much cost little";
export const promised =
  "32 scripts at once that print 64 MiB each to callers who do not follow them: at most 128 MiB more, honest p99 at most 100 ms, 0 failures";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const bytes = (isShort ? 8 : 64) * 1024 * 1024;
  return withServer({ tokens: true }, async (server) => {
    const honest = await startHonest({ url: server.url, token: server.token });
    const client = await connect(server.url, { token: server.token });
    await client.call("zeros", { bytes: 1_000_000 });
    await server.memory();
    const watch = watchRss(server.pid);
    const fromMs = performance.now();
    const outcomes = await Promise.all(
      Array.from({ length: 32 }, () =>
        client.call("zeros", { bytes }).then(
          () => true,
          () => false,
        ),
      ),
    );
    const seconds = (performance.now() - fromMs) / 1_000;
    const { growthBytes } = watch.stop();
    const caller = await honest.stop();
    await client.close();
    const done = outcomes.filter(Boolean).length;
    return {
      measured: `${done} of 32 done in ${seconds.toFixed(1)} s: ${inMiB(growthBytes)} more, honest p99 ${caller.p99Ms.toFixed(0)} ms, ${caller.failed} failures`,
      held:
        done === 32 && growthBytes <= 128 * 1024 * 1024 * slack && caller.p99Ms <= 100 * slack && caller.failed === 0,
    };
  });
}
