// @ts-check
import { defaultLimits } from "iscep";
import { startAttack } from "../support/attack.mjs";
import { descendantsOf, withServer } from "../support/serving.mjs";

export const number = 14;
export const promise = "floods of what costs the sender nothing end the connection";
export const promised =
  "10,000 calls with their cancels, and as many pings, unknown methods and windows: goaway for each; runs never beyond the limit";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  return withServer({ tokens: true }, async (server) => {
    // Each run of this script has a shell and three sleepers.
    const processesARun = 4;
    let most = 0;
    const timer = setInterval(() => (most = Math.max(most, descendantsOf(server.pid).length)), 50);
    const flood = startAttack("floods", {
      target: server.target,
      token: server.token,
      count: isShort ? 1_000 : 10_000,
    });
    const { ended = 0, floods = 4, cancelsSent = 0, pingsSent = 0 } = await flood.said;
    clearInterval(timer);
    await flood.stop();
    return {
      measured: `${ended} of ${floods} floods ended by goaway (the cancels after ${cancelsSent} calls, the pings after ${pingsSent}); at most ${most} processes of runs at once`,
      held: ended === floods && most <= defaultLimits.maxRuns * processesARun,
    };
  });
}
