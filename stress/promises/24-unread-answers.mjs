// @ts-check
import { attack, startHonest } from "../support/attack.mjs";
import { inMiB, watchRss, withServer } from "../support/serving.mjs";

export const number = 24;
export const promise = "answers that are not read cost little, and keep nobody waiting";
export const promised =
  "connections that ask for large values, lists and echoes and read nothing: at most 300 MiB more, no honest caller waits 2 s, 0 failures";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  return withServer({ tokens: true }, async (server) => {
    const honest = await startHonest({ url: server.url, token: server.token });
    await server.memory();
    const watch = watchRss(server.pid);
    const { sentMB = 0, cut = 0 } = await attack("unread-answers", {
      target: server.target,
      token: server.token,
      connections: 6,
      seconds: isShort ? 5 : 20,
    });
    const { growthBytes } = watch.stop();
    const caller = await honest.stop();
    return {
      measured: `${sentMB.toFixed(0)} MB of requests on 6 connections, ${cut} of them cut: ${inMiB(growthBytes)} more, honest p99 ${caller.p99Ms.toFixed(0)} ms, longest ${caller.maxMs.toFixed(0)} ms, ${caller.failed} failures`,
      held: growthBytes <= 300 * 1024 * 1024 * slack && caller.maxMs <= 2_000 * slack && caller.failed === 0,
    };
  });
}
