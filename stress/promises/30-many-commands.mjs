// @ts-check
import { rmSync } from "node:fs";
import { connect } from "iscep";
import { inMiB, rssBytes, serviceFolder, ServeProcess } from "../support/serving.mjs";

export const number = 30;
export const promise = "thousands of commands are served and listed";
export const promised =
  "an iscep.yaml with 10,000 commands: listens within 15 s, all are listed within 5 s, a call still takes at most 50 ms";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const count = isShort ? 2_000 : 10_000;
  const args = "args: {a: {type: string, pattern: '[a-z]+', default: x}}";
  const commands = Array.from({ length: count }, (_, index) => `  c${index}: {run: ["true","{a}"],${args}}`);
  const folder = serviceFolder(`listen: 127.0.0.1:0\ntls: false\ncommands:\n${commands.join("\n")}\n`);
  try {
    let fromMs = performance.now();
    const server = new ServeProcess(folder);
    const url = await server.url;
    const startMs = performance.now() - fromMs;
    const client = await connect(url);
    fromMs = performance.now();
    const listed = (await client.list()).length;
    const listMs = performance.now() - fromMs;
    await client.call("c1", {});
    fromMs = performance.now();
    await client.call(`c${count - 1}`, { a: "abc" });
    const callMs = performance.now() - fromMs;
    const memory = rssBytes(server.pid);
    await client.close();
    await server.end();
    return {
      measured: `${count.toLocaleString("en-US")} commands: listens after ${(startMs / 1_000).toFixed(1)} s, ${listed} listed in ${listMs.toFixed(0)} ms, a call ${callMs.toFixed(0)} ms, ${inMiB(memory)} in all`,
      held: listed >= count && startMs <= 15_000 * slack && listMs <= 5_000 * slack && callMs <= 50 * slack,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
