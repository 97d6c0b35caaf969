// @ts-check
/** Loads in the main thread only. */
import { isMainThread } from "node:worker_threads";
import { defineCommand } from "#iscep/commands/define";

export const broken = defineCommand({ name: "broken", thread: import.meta.url, run: () => 1 });
if (!isMainThread) throw new Error("not in a thread");
