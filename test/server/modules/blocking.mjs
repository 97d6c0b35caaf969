// A worker thread imports this very file.
import { appendFileSync, existsSync } from "node:fs";
// Not all of iscep: to load it takes longer than to start a thread.
import { declareArguments } from "#iscep/commands/arguments/declared-arguments";
import { defineCommand } from "#iscep/commands/define";

export const block = defineCommand({
  name: "block",
  description: "Writes a line into the file that it has begun, and holds up its thread until there is the other file",
  args: declareArguments({ begun: { type: "string" }, go: { type: "string" } }),
  thread: import.meta.url,
  run: ({ begun, go }) => {
    appendFileSync(begun, "begun\n");
    const never = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(go)) Atomics.wait(never, 0, 0, 5);
    return "through";
  },
});
