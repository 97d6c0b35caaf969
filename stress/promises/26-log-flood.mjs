// @ts-check
import { readdirSync, statSync } from "node:fs";
import path from "node:path";
import { attack } from "../support/attack.mjs";
import { inMiB, watchRss, withServer } from "../support/serving.mjs";

export const number = 26;
export const promise = "a good token cannot fill the disk with refusals";
export const promised = "200,000 calls that are refused: the logs grow by at most 1 MiB, memory by at most 64 MiB";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const count = isShort ? 10_000 : 200_000;
  return withServer({ tokens: true }, async (server) => {
    await server.memory();
    const watch = watchRss(server.pid);
    const { sent = 0 } = await attack("log-flood", { target: server.target, token: server.token, count, kind: 1 });
    const { growthBytes } = watch.stop();
    server.child.disconnect();
    await server.exited;
    const logs = path.join(server.folder, "logs");
    const bytes = readdirSync(logs).reduce((sum, file) => sum + statSync(path.join(logs, file)).size, 0);
    return {
      measured: `${sent} refused calls: ${(bytes / 1024).toFixed(0)} KiB of logs, ${inMiB(growthBytes)} more memory`,
      held: sent >= count && bytes <= 1024 * 1024 && growthBytes <= 64 * 1024 * 1024 * slack,
    };
  });
}
