// @ts-check
/** Defines its command only when somebody asks for it, which a thread never does. */
import { defineCommand } from "#iscep/commands/define";

export const make = () => defineCommand({ name: "hidden", thread: import.meta.url, run: () => 1 });
