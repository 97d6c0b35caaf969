// @ts-check
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { serviceFolder, ServeProcess } from "../support/serving.mjs";

export const number = 31;
export const promise = "two servers on one folder tell the same end of a run";
export const promised =
  "20 times, a new server starts while the old one lets its run end: the run is completed for callers of both, never lost";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort }) {
  const rounds = isShort ? 2 : 20;
  const folder = serviceFolder("listen: 127.0.0.1:0\ntls: false\ncommands:\n  wait: { run: [./wait.sh] }\n", {
    "wait.sh": "sleep 1.5; echo done",
  });
  let same = 0;
  let old = new ServeProcess(folder);
  try {
    for (let round = 0; round < rounds; round++) {
      const first = await connect(await old.url);
      const run = first.run("wait", {}, { detach: true });
      const id = await run.id;
      await sleep(100 + round * 20);
      old.child.kill("SIGTERM");
      await sleep(round * 10);
      const next = new ServeProcess(folder);
      const second = await connect(await next.url);
      const [told, heard] = await Promise.all([run.outcome, second.attach(id).outcome]);
      if (told.status === "completed" && heard.status === "completed") same++;
      await first.close();
      await second.close();
      await old.exited;
      old = next;
    }
    return { measured: `${same} of ${rounds} completed for both`, held: same === rounds };
  } finally {
    await old.end();
    rmSync(folder, { recursive: true, force: true });
  }
}
