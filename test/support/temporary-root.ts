/** All temporary files of a run, those of the programs that it starts among them, are in one folder that goes with it. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export function setup(): () => void {
  const root = mkdtempSync(path.join(tmpdir(), "iscep-"));
  // Some tests run programs as other users, who have to get through to a folder of their own.
  chmodSync(root, 0o711);
  process.env["TMPDIR"] = root;
  // Programs that were killed at the end may need a moment to go.
  return () => rmSync(root, { recursive: true, force: true, maxRetries: 10 });
}
