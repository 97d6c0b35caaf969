import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { openDescriptor } from "./descriptors.js";

export interface ProgramStart {
  /** Programs and their arguments that stand before the program, and become it. */
  readonly launcher?: readonly string[] | undefined;
  /** Whom the program runs as, and who may open its descriptors by their paths. Undefined: our own. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** The launcher becomes that user. */
  readonly launcherSetsUser?: boolean | undefined;
  readonly program: string;
  readonly argv: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A pipe to read from, or all that there is to read, which can then be opened as /dev/stdin too. */
  readonly stdin: "pipe" | "ignore" | Buffer;
  /** The nth one is open for reading as descriptor 3 + n. */
  readonly descriptors: readonly Buffer[];
}

/**
 * Starts a program as the leader of a process group of its own, without a shell. What cannot be
 * started either throws (E2BIG, an argument with NUL) or emits "error" (ENOENT, EACCES, EAGAIN, EMFILE).
 */
export function startInOwnGroup(start: ProgramStart): ChildProcess {
  const { folder, environment, stdin, descriptors, user } = start;
  const [first = start.program, ...argv] = [...(start.launcher ?? []), start.program, ...start.argv];
  // Only the main thread may change the mask. spawn() has forked when it returns, so nothing else sees this one.
  const opened: number[] = [];
  const open = (bytes: Buffer): number => {
    const descriptor = openDescriptor(bytes, user);
    opened.push(descriptor);
    return descriptor;
  };
  const previous = isMainThread ? process.umask(0o077) : undefined;
  try {
    const child = spawn(first, argv, {
      cwd: folder,
      env: environment,
      ...(start.launcherSetsUser === true ? {} : user),
      stdio: [Buffer.isBuffer(stdin) ? open(stdin) : stdin, "pipe", "pipe", ...descriptors.map(open)],
      detached: true,
      shell: false,
      windowsHide: true,
    });
    const { pid } = child;
    if (pid !== undefined) {
      leaders.add(pid);
      child.once("exit", () => leaders.delete(pid));
    }
    return child;
  } finally {
    if (previous !== undefined) process.umask(previous);
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** Processes that lead a group, until Node has taken their exit status: so long nobody else can have their numbers. */
const leaders = new Set<number>();

/** For a process that has to end at once: nothing is waited for, and what has left its group stays. */
export function killAllGroups(): void {
  for (const pid of leaders) signalGroup(pid, "SIGKILL");
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
