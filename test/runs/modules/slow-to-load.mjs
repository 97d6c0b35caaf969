// @ts-check
/** In a thread, loading this goes on until the test says so. */
import { isMainThread } from "node:worker_threads";
import { defineCommand } from "#iscep/commands/define";

if (!isMainThread) {
  const channel = new BroadcastChannel("slow-to-load");
  const asked = new Promise((resolve) => channel.addEventListener("message", resolve, { once: true }));
  channel.postMessage("loading");
  await asked;
  channel.close();
}

export const begins = defineCommand({
  name: "begins",
  thread: import.meta.url,
  /** @param {any} args */
  run: ({ gate }) => Atomics.add(gate, 0, 1),
});
