// @ts-check
import { startAttack } from "../support/attack.mjs";
import { inMiB, watchRss, withServer } from "../support/serving.mjs";

export const number = 15;
export const promise = "a client that never reads costs little";
export const promised =
  "100 clients of each version that ask for 50 MB each and read nothing: at most 1 MiB each and 64 MiB more; those of version 1 are cut 10 s later, those of version 2 wait for their windows";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const connections = isShort ? 20 : 100;
  const stallMs = isShort ? 2_000 : 10_000;
  const MiB = 1024 * 1024;
  return withServer({ tokens: true, limits: { maxRuns: 200, writeStallTimeoutMs: stallMs } }, async (server) => {
    await server.memory();
    const watch = watchRss(server.pid);
    const given = {
      target: server.target,
      token: server.token,
      connections,
      bytes: 50_000_000,
      seconds: isShort ? 8 : 25,
    };
    const [first, second] = [
      startAttack("never-reads", { ...given, kind: 1 }),
      startAttack("never-reads", { ...given, kind: 2 }),
    ];
    const { closed = 0, lastMs = Number.NaN } = await first.said;
    const { growthBytes } = watch.stop();
    await first.stop();
    await second.stop();
    return {
      measured: `${2 * connections} clients: ${inMiB(growthBytes)} more; ${closed} of version 1 cut, the last after ${(lastMs / 1_000).toFixed(1)} s`,
      note: "not held, and the promise stays as the goal: a connection may have twice maxPendingWriteBytes of answers waiting, and the run of each version 2 client keeps 1 MiB of its output, so what was measured is some 2.5 MiB a client. It is bounded, and does not grow with what the client asks for",
      held:
        growthBytes <= (2 * connections * MiB + 64 * MiB) * slack &&
        closed === connections &&
        lastMs <= stallMs + 2_500 * slack,
    };
  });
}
