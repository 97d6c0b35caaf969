// For a worker thread, which imports this very file.
import { z } from "zod";
import { defineCommand } from "iscep";

export const block = defineCommand({
  name: "block",
  description: "Holds up its thread",
  args: z.object({ ms: z.int() }),
  thread: import.meta.url,
  run: ({ ms }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    return ms;
  },
});
