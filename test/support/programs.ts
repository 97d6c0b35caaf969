import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isIscepError, type IscepError } from "#iscep/errors";
import { onTestFinished } from "vitest";

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "iscep-identity-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function startProgram(name: string, ...args: string[]): ChildProcess {
  const program = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return child;
}

/** What the program printed, when it has ended well. */
export async function runProgram(name: string, ...args: string[]): Promise<string> {
  const child = startProgram(name, ...args);
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  const [code]: unknown[] = await once(child, "close");
  if (code !== 0) throw new Error(`${name} ended with ${String(code)}`);
  return output;
}

/** The IscepError that the work throws. */
export async function errorOf(work: () => unknown): Promise<IscepError> {
  try {
    await work();
  } catch (error) {
    if (isIscepError(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
