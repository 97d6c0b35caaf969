// @ts-check
import { connect } from "iscep";
import { startAttack } from "../support/attack.mjs";
import { rssBytes, withServer } from "../support/serving.mjs";

export const number = 7;
export const promise = "idle connections are cheap";
export const promised =
  "10,000 plain: at most 12 KB each; 2,000 TLS: at most 50 KB each; one more client is served within 100 ms";

/** @param {boolean} tls @param {number} connections */
function measure(tls, connections) {
  return withServer({ tls, limits: { maxConnections: connections + 10 } }, async (server) => {
    const warm = await connect(server.url);
    await warm.call("add", { a: 1, b: 2 });
    await server.memory();
    const before = rssBytes(server.pid);
    const idle = startAttack("idle", { target: server.target, connections });
    await idle.said;
    const { rss } = await server.memory();
    const fromMs = performance.now();
    const client = await connect(server.url);
    await client.call("add", { a: 1, b: 2 });
    const servedMs = performance.now() - fromMs;
    await client.close();
    await warm.close();
    await idle.stop();
    return { eachKB: (rss - before) / connections / 1_000, servedMs };
  });
}

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const [many, some] = isShort ? [2_000, 300] : [10_000, 2_000];
  const plain = await measure(false, many);
  const tls = await measure(true, some);
  const servedMs = Math.max(plain.servedMs, tls.servedMs);
  return {
    measured: `${many} plain: ${plain.eachKB.toFixed(1)} KB each; ${some} TLS: ${tls.eachKB.toFixed(1)} KB each; one more served in ${servedMs.toFixed(0)} ms`,
    held: plain.eachKB <= 12 && tls.eachKB <= 50 && servedMs < 100 * slack,
  };
}
