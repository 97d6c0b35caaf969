import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

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
