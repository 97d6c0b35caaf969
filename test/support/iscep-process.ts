/** The built command line as people run it: as a process of its own, for what only a process has. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { endedWith, environmentOf, listening, type Ended, type RunOptions, type Serving } from "./iscep.js";

export const mainFile = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export function startProcess(words: readonly string[], options: RunOptions): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [mainFile, ...words], { cwd: options.folder, env: environmentOf(options) });
  // Only for a test that failed before it stopped its process.
  onTestFinished(() => void (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")));
  child.stdin.on("error", () => {});
  return child;
}

export function iscepProcess(words: readonly string[], options: RunOptions): Promise<Ended> {
  return endedWith(startProcess(words, options), options);
}

export function serveProcess(words: readonly string[], options: RunOptions): Promise<Serving> {
  return listening(startProcess(["serve", ...words], options));
}
