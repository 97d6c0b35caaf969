import { spawn, type ChildProcess } from "node:child_process";
import { isMainThread } from "node:worker_threads";

export interface ProgramStart {
  readonly program: string;
  readonly argv: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Starts a program as the leader of a process group of its own, without a shell and with nothing to read. What cannot
 * be started either throws (E2BIG, an argument with NUL) or emits "error" (ENOENT, EACCES, EAGAIN, EMFILE).
 */
export function startInOwnGroup({ program, argv, folder, environment }: ProgramStart): ChildProcess {
  // Only the main thread may change the mask. spawn() has forked when it returns, so nothing else sees this one.
  const previous = isMainThread ? process.umask(0o077) : undefined;
  try {
    return spawn(program, argv, {
      cwd: folder,
      env: environment,
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
      shell: false,
      windowsHide: true,
    });
  } finally {
    if (previous !== undefined) process.umask(previous);
  }
}

/** False when nothing of the group is left, or it belongs to somebody else by now. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    // 0 and 1 would mean our own group and everybody.
    return leaderPid > 1 && process.kill(-leaderPid, signal);
  } catch {
    // ESRCH: it has gone. EPERM: a program that changed its user; the caller then waits no longer than its deadline.
    return false;
  }
}
