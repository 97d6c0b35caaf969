/** Makes a script's pseudo-terminal as large as the window of its caller. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { TerminalShape } from "../../commands/script/terminal.js";
import type { RunTerminal } from "../streams/terminal.js";

/** Until then the shell that begins the script may set the size that it was started with. */
const startMs = 300;

export interface TerminalProcess {
  /** The process that holds the terminal's other end. */
  readonly pid: number;
  readonly stty: string;
  /** The user whose terminal it is. undefined: our own. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
}

/** Follows the caller's window until the returned function is called. The system tells programs of the terminal by SIGWINCH. */
export function followSize(terminal: RunTerminal, target: TerminalProcess): () => void {
  const startedAtMs = performance.now();
  const first = terminal.shape;
  let isSetting = false;
  let wanted: TerminalShape | undefined;
  let timer: NodeJS.Timeout | undefined;
  const set = (): void => {
    const shape = wanted;
    const device = shape === undefined || isSetting ? undefined : deviceOf(target.pid);
    if (shape === undefined || device === undefined) return;
    wanted = undefined;
    isSetting = true;
    const size = ["rows", String(shape.rows), "cols", String(shape.columns)];
    const child = spawn(target.stty, ["-F", device, ...size], { stdio: "ignore", env: {}, ...target.user });
    const done = (): void => {
      isSetting = false;
      set();
    };
    child.once("error", done);
    child.once("exit", done);
  };
  terminal.onResized((shape) => {
    wanted = shape;
    const leftMs = startedAtMs + startMs - performance.now();
    if (leftMs <= 0) set();
    else
      timer ??= setTimeout(() => {
        if (terminal.shape !== first) set();
      }, leftMs);
  });
  return () => {
    wanted = undefined;
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
