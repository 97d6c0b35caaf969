/** The command line in a process of its own, on a terminal that `script` (util-linux) makes. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { onTestFinished } from "vitest";
import { mainFile } from "./iscep-process.js";
import { environmentOf, type RunOptions } from "./iscep.js";

export const hasTerminals = existsSync("/usr/bin/script");

export interface OnTerminal {
  type(text: string): void;
  /** Resolves when the screen has the text. */
  until(text: string): Promise<void>;
  readonly ended: Promise<{ readonly screen: string; readonly code: number | null }>;
}

/** @param words without anything that a shell would change */
export function startOnTerminal(words: readonly string[], options: RunOptions): OnTerminal {
  const command = [process.execPath, mainFile, ...words].join(" ");
  const child = spawn("/usr/bin/script", ["-qec", command, "/dev/null"], {
    cwd: options.folder,
    env: { ...environmentOf(options), TERM: "dumb" },
  });
  onTestFinished(() => void (child.exitCode === null && child.kill("SIGKILL")));
  let screen = "";
  const watchers = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
    for (const watch of watchers) watch();
  });
  return {
    type: (text) => child.stdin.write(text),
    until: (text) =>
      new Promise((resolve) => {
        const watch = (): void => void (screen.includes(text) && resolve());
        watchers.add(watch);
        watch();
      }),
    ended: new Promise((resolve) => child.on("close", (code) => resolve({ screen, code }))),
  };
}
