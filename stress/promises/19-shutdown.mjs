// @ts-check
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { dial, dialSilently } from "../attackers/wire.mjs";
import { serviceFolder, ServeProcess } from "../support/serving.mjs";

export const number = 19;
export const promise = "a server stops when it is told to";
export const promised =
  "SIGTERM and SIGINT with a chatty client, a hung handshake and a stuck script: exit code 0 within 16 s; a second signal: within 200 ms";

/** @param {NodeJS.Signals} signal @param {boolean} twice @param {string} limits */
async function stop(signal, twice, limits) {
  const folder = serviceFolder(
    `listen: 127.0.0.1:0\nlimits: ${limits}\ncommands:\n  hello: { run: [./hello.sh] }\n  stuck: { run: [./stuck.sh] }\n`,
    {
      "hello.sh": "echo hello",
      "stuck.sh": "trap '' TERM; echo begun; while :; do sleep 1; done",
    },
  );
  try {
    const server = new ServeProcess(folder);
    const url = await server.url;
    const pin = new URL(url.replace("iscep:", "https:")).searchParams.get("pin") ?? "";
    const port = Number(new URL(url.replace("iscep:", "https:")).port);
    dialSilently({ host: "127.0.0.1", port });
    await dial({ host: "127.0.0.1", port, tls: true });
    const client = await connect(url, { pin, limits: { reconnectTimeoutMs: 100 } });
    const stuck = client.run("stuck", {});
    stuck.outcome.catch(() => {});
    await stuck.id;
    const over = new AbortController();
    void (async () => {
      while (!over.signal.aborted) await client.call("hello", {}).catch(() => sleep(20));
    })();
    await sleep(500);
    let fromMs = performance.now();
    server.child.kill(signal);
    if (twice) {
      await sleep(500);
      fromMs = performance.now();
      server.child.kill(signal);
    }
    const { code } = await server.end("SIGCONT");
    const tookMs = performance.now() - fromMs;
    over.abort();
    await client.close();
    return { code, tookMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const limits = isShort ? "{ close_grace_ms: 1s, kill_grace_ms: 1s }" : "{}";
  const polite = await Promise.all([
    stop("SIGTERM", false, limits),
    ...(isShort ? [] : [stop("SIGINT", false, limits)]),
  ]);
  const second = await stop("SIGTERM", true, limits);
  const slowestMs = Math.max(...polite.map(({ tookMs }) => tookMs));
  const codes = polite.map(({ code }) => code).join(", ");
  return {
    measured: `exit codes ${codes}, the slowest after ${(slowestMs / 1_000).toFixed(1)} s; a second signal: ${second.tookMs.toFixed(0)} ms`,
    held:
      polite.every(({ code }) => code === 0) && slowestMs <= (isShort ? 8_000 : 16_000) && second.tookMs <= 200 * slack,
  };
}
