/** Runs the built command line as people do: as a process of its own. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export const mainFile = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface RunOptions {
  readonly folder: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An empty folder that goes away after the test; also the home and the state of what runs there. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "iscep-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export function startIscep(words: readonly string[], options: RunOptions): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [mainFile, ...words], {
    cwd: options.folder,
    // Nothing of the tester's own settings, tokens and state.
    env: {
      PATH: process.env["PATH"],
      HOME: options.folder,
      XDG_STATE_HOME: join(options.folder, "state"),
      ...options.environment,
    },
  });
  // Only for a test that failed before it stopped its process.
  onTestFinished(() => void (child.exitCode === null && child.signalCode === null && child.kill("SIGKILL")));
  child.stdin.on("error", () => {});
  return child;
}

export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

export async function iscep(words: readonly string[], options: RunOptions): Promise<Ended> {
  const child = startIscep(words, options);
  child.stdin.end(options.input ?? "");
  return ended(child);
}

export interface Serving {
  readonly url: string;
  /** The whole first line. */
  readonly line: string;
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<Ended>;
  /** SIGTERM, and how it ended. */
  stop(): Promise<Ended>;
}

/** `iscep serve …`, when it listens. Rejects with what it wrote when it does not. */
export async function serve(words: readonly string[], options: RunOptions): Promise<Serving> {
  const child = startIscep(["serve", ...words], options);
  const end = ended(child);
  const line = await Promise.race([
    firstLine(child),
    end.then(({ code, stdout, stderr }) => {
      throw new Error(`iscep serve ended with ${code}: ${stdout}${stderr}`);
    }),
  ]);
  const url = line.startsWith("{")
    ? String((JSON.parse(line) as { url?: unknown }).url)
    : line.replace("listening on ", "");
  return {
    url,
    line,
    child,
    ended: end,
    stop: () => {
      child.kill("SIGTERM");
      return end;
    },
  };
}

export function firstLine(child: ChildProcessWithoutNullStreams): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const read = (chunk: string): void => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end === -1) return;
      child.stdout.off("data", read);
      resolve(text.slice(0, end));
    };
    child.stdout.setEncoding("utf8").on("data", read);
  });
}
