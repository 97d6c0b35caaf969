import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import type { Readable } from "node:stream";
import { isMainThread } from "node:worker_threads";
import { reserveDescriptors } from "../../files/reserved-descriptor.js";
import { openOutputPipe, type OutputPipe } from "./output-pipe.js";
import { openDescriptor } from "./descriptors.js";

export interface ProgramStart {
  /** Launchers and their arguments, which stand before the program and become it. */
  readonly launcher?: readonly string[] | undefined;
  /** The user that the program runs as, and that may open its descriptors by their paths. undefined: our own user. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  /** True when the launcher itself changes to that user. */
  readonly launcherSetsUser?: boolean | undefined;
  readonly program: string;
  readonly argv: readonly string[];
  readonly folder: string;
  /** The mode bits that its new files do not get. Default: 0o077. */
  readonly umask?: number | undefined;
  readonly environment: Readonly<Record<string, string>>;
  /** A pipe to read from, or the whole input, which can then also be opened as /dev/stdin. */
  readonly stdin: "pipe" | "ignore" | Buffer;
  /** The nth value can be read from descriptor 3 + n. */
  readonly descriptors: readonly Buffer[];
}

export interface StartedProgram {
  readonly child: ChildProcess;
  /** null when no file descriptors were left. */
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
}

/**
 * Starts a program as the leader of its own process group, without a shell. If it cannot start, this throws (E2BIG, an
 * argument with NUL), or the process emits "error" (ENOENT, EACCES, EAGAIN, EMFILE).
 */
export function startInOwnGroup(start: ProgramStart): StartedProgram {
  const { folder, environment, stdin, descriptors, user } = start;
  reserveDescriptors(); // its processes must be found when it ends
  const [first = start.program, ...argv] = [...(start.launcher ?? []), start.program, ...start.argv];
  const opened: number[] = [];
  const open = (bytes: Buffer): number => {
    const descriptor = openDescriptor(bytes, user);
    opened.push(descriptor);
    return descriptor;
  };
  let previous: number | undefined;
  const pipes: OutputPipe[] = [];
  const output = (): number | "pipe" => {
    const pipe = openOutputPipe(user);
    if (pipe === undefined) return "pipe";
    pipes.push(pipe);
    opened.push(pipe.writeEnd);
    return pipe.writeEnd;
  };
  try {
    const input = Buffer.isBuffer(stdin) ? open(stdin) : stdin;
    const others = descriptors.map(open);
    const [stdoutEnd, stderrEnd] = [output(), output()];
    // Only the main thread may change the mask. spawn() has forked when it returns, so nothing else gets this mask.
    if (isMainThread) previous = process.umask(start.umask ?? 0o077);
    const child = spawn(first, argv, {
      cwd: folder,
      env: environment,
      ...(start.launcherSetsUser === true ? {} : user),
      stdio: [input, stdoutEnd, stderrEnd, ...others],
      detached: true,
      shell: false,
      windowsHide: true,
    });
    const { pid } = child;
    if (pid !== undefined) {
      leaders.add(pid);
      child.once("exit", () => leaders.delete(pid));
    }
    const [stdout, stderr] = pipes;
    return { child, stdout: stdout?.reader ?? child.stdout, stderr: stderr?.reader ?? child.stderr };
  } catch (error) {
    for (const { reader } of pipes) reader.destroy();
    throw error;
  } finally {
    if (previous !== undefined) process.umask(previous);
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/**
 * Processes that lead a group, until Node has taken their exit status. Until then no other process can get their
 * numbers.
 */
const leaders = new Set<number>();

/** For a process that must end at once: it waits for nothing, and processes that left their group stay. */
export function killAllGroups(): void {
  for (const pid of leaders) signalGroup(pid, "SIGKILL");
}

/** Returns false when nothing of the group is left, or it belongs to somebody else now. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    // 0 would mean our own group, and 1 would mean all processes.
    return leaderPid > 1 && process.kill(-leaderPid, signal);
  } catch {
    // ESRCH: it is gone. EPERM: a program that changed its user; the caller then waits no longer than its deadline.
    return false;
  }
}
