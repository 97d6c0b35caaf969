// @ts-check
import { attack } from "../support/attack.mjs";
import { descriptorsOf, inMiB, until, withServer } from "../support/serving.mjs";

export const number = 8;
export const promise = "connections that come and go leave nothing";
export const promised =
  "20,000 times connect, token, command, close, in both versions: none fails, descriptors as before, at most 10 MiB more memory";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  const count = isShort ? 1_000 : 20_000;
  return withServer({ tokens: true }, async (server) => {
    await attack("churn", { target: server.target, token: server.token, count: isShort ? 1_000 : 4_000 });
    await until(() => descriptorsOf(server.pid) < 40, 5_000);
    const before = { descriptors: descriptorsOf(server.pid), memory: await server.memory() };
    const { failed = Number.NaN } = await attack("churn", { target: server.target, token: server.token, count });
    await until(() => descriptorsOf(server.pid) <= before.descriptors, 10_000);
    const growth = (await server.memory()).rss - before.memory.rss;
    const left = descriptorsOf(server.pid) - before.descriptors;
    return {
      measured: `${count} connections: ${failed} failed, ${left} descriptors left, ${inMiB(growth)} more`,
      held: failed === 0 && left <= 0 && growth <= 10 * 1024 * 1024,
    };
  });
}
