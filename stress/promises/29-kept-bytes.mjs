// @ts-check
import { readdirSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { connect } from "iscep";
import { inMiB, temporaryFolder, watchRss, withServer } from "../support/serving.mjs";

export const number = 29;
export const promise = "what is kept of runs is bounded, in memory and on the disk";
export const promised =
  "400 runs with 2 MiB of output and a value of 1 MiB each, with a runs folder of 64 MiB: at most 256 MiB more memory, at most 80 MiB on the disk";

/** @param {string} folder */
function bytesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce(
      (sum, entry) => sum + (statSync(path.join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
}

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const count = isShort ? 100 : 400;
  const folder = temporaryFolder();
  const MiB = 1024 * 1024;
  try {
    return await withServer({ runsFolder: folder, limits: { maxRunsFolderBytes: 64 * MiB } }, async (server) => {
      const client = await connect(server.url);
      await server.memory();
      const watch = watchRss(server.pid);
      let most = 0;
      for (let index = 0; index < count; index += 4) {
        await Promise.all(
          [0, 1].flatMap(() => [
            client.run("print", { bytes: 2 * MiB }, { detach: true }).outcome,
            client.run("big", { bytes: MiB - 100 }, { detach: true }).outcome,
          ]),
        );
        most = Math.max(most, bytesIn(folder));
      }
      const { growthBytes } = watch.stop();
      await client.close();
      return {
        measured: `${count} runs: ${inMiB(growthBytes)} more memory, at most ${inMiB(most)} on the disk`,
        note: "not held, and the promise stays as the goal: maxKeptRunsBytes is 256 MiB by itself, and the values under way come on top of it, some 30 MiB here. A server with less memory needs a smaller maxKeptRunsBytes",
        held: growthBytes <= 256 * MiB * slack && most <= 80 * MiB,
      };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
