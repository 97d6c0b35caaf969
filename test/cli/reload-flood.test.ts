import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Reload } from "#iscep/cli/serving/reload";
import { loadSources } from "#iscep/cli/serving/sources";
import type { ServedCommands } from "#iscep/cli/serving/served-commands";
import type { WatchedFiles } from "#iscep/files/watched-files";
import { temporaryFolder } from "../support/temporary-folder.js";

test("two thousand signals are one reload, and one more behind it", async () => {
  const file = join(temporaryFolder(), "iscep.yaml");
  await writeFile(file, "commands:\n  hi: { run: [echo, hi] }\n");
  const sources = await loadSources([file]);
  const state = { certificates: 0, commands: 0 };
  const reload = new Reload({
    sources,
    server: { reload: async () => void state.certificates++ },
    served: { replace: () => void state.commands++ } as unknown as ServedCommands,
    watched: { add: () => {} } as unknown as WatchedFiles,
    logs: undefined,
    level: "quiet",
  });
  for (let signal = 0; signal < 2_000; signal++) reload.all();
  await expect.poll(() => state.commands).toBe(2);
  expect(state.certificates).toBe(2);
});
