/** Makes a script's pseudo-terminal as large as the window of its caller. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { TerminalShape } from "../../commands/script/terminal.js";
import type { RunTerminal } from "../streams/terminal.js";

/** Until then the shell that begins the script may set the size that it was started with. */
const startMs = 300;

const maxFailures = 10;

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
  let set: TerminalShape | undefined = terminal.shape;
  let isSetting = false;
  let failures = 0;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const ready = (): void => {
    timer = undefined;
    const { shape } = terminal;
    if (shape === set || isSetting) return;
    mayAtMs = performance.now() + target.intervalMs;
    const device = deviceOf(target.pid);
    if (device === undefined) return failed();
    set = shape;
    isSetting = true;
    const size = ["rows", String(shape.rows), "cols", String(shape.columns)];
    const child = spawn(target.stty, ["-F", device, ...size], { stdio: "ignore", env: {}, ...target.user });
    child.once("error", failed);
    child.once("exit", (code) => {
      if (code !== 0) return failed();
      isSetting = false;
      failures = 0;
      wait();
    });
  };
  // What is busy now may be free in a moment. A terminal that never takes a size is left as it is.
  const failed = (): void => {
    isSetting = false;
    if (isOver || ++failures > maxFailures) return;
    set = undefined;
    wait();
  };
  const wait = (): void => {
    if (terminal.shape !== set) timer ??= setTimeout(ready, Math.max(0, mayAtMs - performance.now()));
  };
  terminal.onResized(wait);
  return () => {
    isOver = true;
    set = terminal.shape;
    clearTimeout(timer);
    terminal.onResized(undefined);
  };
}

/** undefined when the process has no terminal, or has ended. */
function deviceOf(pid: number): string | undefined {
  try {
    for (const descriptor of readdirSync(`/proc/${pid}/fd`)) {
      const index = terminalIndexOf(pid, descriptor);
      if (index !== undefined) return `/dev/pts/${index}`;
    }
  } catch {
    // It ended meanwhile.
  }
  return undefined;
}

function terminalIndexOf(pid: number, descriptor: string): string | undefined {
  try {
    if (!readlinkSync(`/proc/${pid}/fd/${descriptor}`).endsWith("/ptmx")) return undefined;
    return /^tty-index:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8"))?.[1];
  } catch {
    return undefined; // the terminal was closed meanwhile
  }
}
