// @ts-check
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { freePort, serviceFolder, ServeProcess, until } from "../support/serving.mjs";

export const number = 20;
export const promise = "a client comes back by itself";
export const promised =
  "the server is killed 50 times under load: calls are answered again at most 2 s after it listens, and no error goes unhandled";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const rounds = isShort ? 3 : 50;
  const port = await freePort();
  const folder = serviceFolder(`listen: 127.0.0.1:${port}\ntls: false\ncommands:\n  hello: { run: [./hello.sh] }\n`, {
    "hello.sh": "echo hello",
  });
  let unhandled = 0;
  const count = () => unhandled++;
  process.on("unhandledRejection", count);
  let server = new ServeProcess(folder);
  try {
    await server.url;
    const client = await connect(`iscep+tcp://127.0.0.1:${port}`);
    const over = new AbortController();
    const last = { answeredMs: 0 };
    let refused = 0;
    const load = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        try {
          await client.call("hello", {}, { timeoutMs: 10_000 });
          last.answeredMs = performance.now();
        } catch {
          refused++;
          await sleep(10);
        }
      }
    });
    let slowestMs = 0;
    for (let round = 0; round < rounds; round++) {
      await sleep(100);
      server.child.kill("SIGKILL");
      await server.exited;
      await sleep(100);
      server = new ServeProcess(folder);
      await server.url;
      const fromMs = performance.now();
      slowestMs = Math.max(slowestMs, await until(() => last.answeredMs >= fromMs, 20_000));
    }
    over.abort();
    await Promise.all(load);
    await client.close();
    return {
      measured: `${rounds} kills: back after at most ${slowestMs.toFixed(0)} ms, ${refused} calls told an error, ${unhandled} errors unhandled`,
      held: slowestMs <= 2_000 * slack && unhandled === 0,
    };
  } finally {
    process.off("unhandledRejection", count);
    await server.end();
    rmSync(folder, { recursive: true, force: true });
  }
}
