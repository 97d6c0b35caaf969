// @ts-check
import { setTimeout as sleep } from "node:timers/promises";
import { startAttack } from "../support/attack.mjs";
import { inMiB, watchRss, withServer } from "../support/serving.mjs";

export const number = 4;
export const promise = "what a packet claims costs nothing";
export const promised =
  "1,000 connections that claim 4 GiB: at most 16 MiB; a packet of 1 MiB in pieces of one byte: at most 2.5 times its size";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const connections = isShort ? 200 : 1_000;
  return withServer({}, async (server) => {
    const MiB = 1024 * 1024;
    const warm = startAttack("size-lies", { target: server.target, connections, size: 0 });
    await warm.said;
    await warm.stop();
    await sleep(500);
    await server.memory();
    const watch = watchRss(server.pid);
    const lies = startAttack("size-lies", { target: server.target, connections, size: 0 });
    await lies.said;
    await sleep(500);
    const { growthBytes } = watch.stop();
    await lies.stop();
    await sleep(500);
    const before = await server.memory();
    const dripped = startAttack("size-lies", { target: server.target, connections: 1, size: MiB, pieceBytes: 1 });
    await dripped.said;
    await sleep(300);
    const after = await server.memory();
    await dripped.stop();
    // What is held, after a collection: the system's figure has what the collector has not given back, too.
    const ratio = (after.heapUsed + after.external - before.heapUsed - before.external) / MiB;
    return {
      measured: `${connections} lies: ${inMiB(growthBytes)}; 1 MiB byte by byte: ${ratio.toFixed(1)} times its size`,
      held: growthBytes <= 16 * MiB * slack && ratio <= 2.5 * Math.min(slack, 2),
    };
  });
}
