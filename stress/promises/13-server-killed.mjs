// @ts-check
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { randomOf } from "../attackers/wire.mjs";
import { processesOf } from "../support/figures.mjs";
import { freePort, serviceFolder, ServeProcess, until } from "../support/serving.mjs";

export const number = 13;
export const promise = "a server that is killed comes back, and leaves nothing running";
export const promised =
  "kill -9 at 200 random moments: the next start listens within 1 s of its process being ready, each run has ended or is lost, and no process of the old server is left";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const rounds = isShort ? 4 : 200;
  const port = await freePort();
  const folder = serviceFolder(
    `listen: 127.0.0.1:${port}\ntls: false\ncommands:\n  stay: { run: [./stay.sh] }\n  quick: { run: [./quick.sh] }\n`,
    { "stay.sh": "echo begun; sleep 600 & sleep 600", "quick.sh": "echo done" },
  );
  const random = randomOf(13);
  let unreadable = 0;
  let open = 0;
  let slowestMs = 0;
  /** @type {Set<string>} */
  const ids = new Set();
  try {
    let server = new ServeProcess(folder);
    await server.url;
    for (let round = 0; round < rounds; round++) {
      const client = await connect(`iscep+tcp://127.0.0.1:${port}`, { limits: { reconnectTimeoutMs: 100 } });
      client.on("reconnecting", () => {});
      const runs = Array.from({ length: 2 }, () => client.run("stay", {}, { detach: true }));
      for (const one of runs) {
        one.outcome.catch(() => {});
        void one.id.then(
          (id) => ids.add(id),
          () => {},
        );
      }
      const quick = Array.from({ length: 5 }, () => client.call("quick", {}).catch(() => {}));
      await sleep(random.below(150));
      const dead = server;
      dead.child.kill("SIGKILL");
      await dead.exited;
      await Promise.all(quick);
      await client.close();
      server = new ServeProcess(folder);
      const fromMs = performance.now();
      await server.url;
      slowestMs = Math.max(slowestMs, performance.now() - fromMs);
      const again = await connect(`iscep+tcp://127.0.0.1:${port}`);
      try {
        const { runs: listed } = await again.runs();
        open += listed.filter(({ status }) => status === "running").length;
      } catch {
        unreadable++;
      }
      await again.close();
    }
    await until(() => processesOf(ids).length === 0, 8_000);
    const left = processesOf(ids).length;
    await server.end();
    return {
      measured: `${rounds} kills, ${ids.size} runs under way: ${unreadable} times unreadable, ${open} runs without an end, ${left} processes left; slowest start of the process ${slowestMs.toFixed(0)} ms`,
      held: unreadable + open + left === 0 && slowestMs <= 3_000 * slack,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
