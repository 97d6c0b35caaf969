// @ts-check
/** Not done with loading when it has defined its command. */
import { setTimeout as sleep } from "node:timers/promises";
import { defineCommand } from "#iscep/commands/define";

export const slow = defineCommand({ name: "slow", thread: import.meta.url, run: () => loaded });
await sleep(20);
const loaded = "loaded";
