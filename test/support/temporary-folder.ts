import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished, TestRunner } from "vitest";
import { cleanUp } from "./cleanup.js";

/** A folder that is removed after the test; one that no test made goes with all others of the run (temporary-root.ts). */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "t-")));
  if (TestRunner.getCurrentTest() !== undefined)
    onTestFinished(async () => {
      // What is still open may write there.
      await cleanUp();
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    });
  return folder;
}
