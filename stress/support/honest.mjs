// @ts-check
/** An honest caller: one call after the other, each answer checked and its time taken. With `connects`, each call has a connection of its own. */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "iscep";
import { percentile } from "./serving.mjs";

const given = /** @type {{ url: string, token?: string, protocol?: 1 | 2, connects?: boolean, pauseMs?: number }} */ (
  JSON.parse(process.argv[2] ?? "{}")
);
const { url, connects = false, pauseMs = 5 } = given;
/** @type {import("iscep").ConnectOptions} */
const options = {
  protocol: given.protocol ?? 2,
  timeoutMs: 60_000,
  ...(given.token ? { token: given.token } : {}),
};
/** @type {number[]} */
let times = [];
let failed = 0;

function figures() {
  return {
    calls: times.length,
    failed,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    maxMs: Math.max(0, ...times),
  };
}

process.on("message", (message) => {
  process.send?.(figures());
  if (message === "stop") process.exit();
  times = [];
  failed = 0;
});
process.on("disconnect", () => process.exit());

let client = await connect(url, options);
await client.call("add", { a: 1, b: 2 });
process.send?.("ready");
for (;;) {
  const fromMs = performance.now();
  try {
    if (connects) {
      const own = await connect(url, options);
      if ((await own.call("add", { a: 1, b: 2 })) !== 3) failed++;
      await own.close();
    } else if ((await client.call("add", { a: 1, b: 2 })) !== 3) failed++;
  } catch {
    failed++;
    await sleep(50);
    client = await connect(url, options).catch(() => client);
  }
  times.push(performance.now() - fromMs);
  await sleep(pauseMs);
}
