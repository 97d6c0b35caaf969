/** Makes a script's pseudo-terminal as large as the window of its caller. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { RunTerminal } from "../streams/terminal.js";

/** Until then the shell that begins the script may set the size that it was started with. */
const startMs = 300;

export interface TerminalProcess {
  /** The process that holds the terminal's other end. */
  readonly pid: number;
  readonly stty: string;
  /** The user whose terminal it is. undefined: our own. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** The time between two sizes, because a window that is dragged has hundreds. */
  readonly intervalMs: number;
}

/**
 * Follows the caller's window until the returned function is called. Of the sizes that come within an interval, the latest
 * counts. The system tells the programs on the terminal by SIGWINCH.
 */
export function followSize(terminal: RunTerminal, target: TerminalProcess): () => void {
  let mayAtMs = performance.now() + startMs;
  let set = terminal.shape;
  let isSetting = false;
  let timer: NodeJS.Timeout | undefined;
  const ready = (): void => {
    timer = undefined;
    const { shape } = terminal;
    if (shape === set || isSetting) return;
    const device = deviceOf(target.pid);
    if (device === undefined) return;
    set = shape;
    isSetting = true;
    mayAtMs = performance.now() + target.intervalMs;
    const size = ["rows", String(shape.rows), "cols", String(shape.columns)];
    const child = spawn(target.stty, ["-F", device, ...size], { stdio: "ignore", env: {}, ...target.user });
    const done = (): void => {
      isSetting = false;
      wait();
    };
    child.once("error", done);
    child.once("exit", done);
  };
  const wait = (): void => {
    if (terminal.shape !== set) timer ??= setTimeout(ready, Math.max(0, mayAtMs - performance.now()));
  };
  terminal.onResized(wait);
  return () => {
    set = terminal.shape;
    clearTimeout(timer);
    terminal.onResized(undefined);
  };
}

/** undefined when the process has no terminal, or has ended. */
function deviceOf(pid: number): string | undefined {
  try {
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      if (!readlinkSync(`/proc/${pid}/fd/${descriptor}`).endsWith("/ptmx")) continue;
      const index = /^tty-index:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8"))?.[1];
      if (index !== undefined) return `/dev/pts/${index}`;
    }
  } catch {
    // It ended meanwhile, or closed a descriptor.
  }
  return undefined;
}
