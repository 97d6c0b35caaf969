// @ts-check
import { setTimeout as sleep } from "node:timers/promises";
import { attack } from "../support/attack.mjs";
import { descriptorsOf, inMiB, until, withServer } from "../support/serving.mjs";

export const number = 8;
export const promise = "connections that come and go leave nothing";
export const promised =
  "20,000 times connect, token, command, close, in both versions: none fails, descriptors as before, at most 10 MiB more memory";

/** The least of some looks, as the allocator gives memory back when it likes. @param {import("../support/serving.mjs").StressServer} server */
async function settled(server) {
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 6; look++) {
    least = Math.min(least, (await server.memory()).rss);
    await sleep(500);
  }
  return least;
}

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const count = isShort ? 1_000 : 20_000;
  return withServer({ tokens: true }, async (server) => {
    await attack("churn", { target: server.target, token: server.token, count: isShort ? 1_000 : 12_000 });
    await until(() => descriptorsOf(server.pid) < 40, 5_000);
    const before = { descriptors: descriptorsOf(server.pid), memory: await settled(server) };
    const { failed = Number.NaN } = await attack("churn", { target: server.target, token: server.token, count });
    await until(() => descriptorsOf(server.pid) <= before.descriptors, 10_000);
    const growth = (await settled(server)) - before.memory;
    const left = descriptorsOf(server.pid) - before.descriptors;
    return {
      measured: `${count} connections: ${failed} failed, ${left} descriptors left, ${inMiB(growth)} more`,
      held: failed === 0 && left <= 0 && growth <= 10 * 1024 * 1024 * slack,
    };
  });
}
