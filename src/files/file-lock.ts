/**
 * Lets one writer at a time change a file, over all processes of this machine. The lock is a file beside it (`.lock`).
 * It can be made only once, names the process that made it, and is taken over when that process is gone. A process in
 * another container cannot be seen. So the owner touches the lock at intervals, and a process that waits takes the lock
 * over when it sees no change for several intervals (`Silence`).
 *
 * The danger is in taking over: two processes that wait both see the dead owner. One removes the lock and makes its
 * own, and the other then removes that new lock. So a process that wants to remove the lock of a dead owner first takes
 * a second lock, which is named after that very lock (each has its own number), and then looks again. If it dies there
 * as well, its second lock is taken over in the same way.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fstatSync, futimesSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { systemCodeOf } from "./system-code.js";
import { IscepError } from "../errors.js";
import { openFileExclusively, staleTemporaryFiles } from "./atomic-file.js";
import { isOwnScope, isProcessGone, ownProcessMark } from "./process-mark.js";
import { Silence } from "./silence.js";

const holderPattern = /^([0-9]+-[0-9]+-[0-9a-f]{8})-([0-9a-f]{16})$/;

/** How often an owner touches its lock, and how long an owner in another container may be silent. */
export interface LockIntervals {
  readonly touchMs: number;
  readonly silenceMs: number;
}

/** Every process must use the same numbers, so they are no settings. */
export const lockIntervals: LockIntervals = { touchMs: 300, silenceMs: 3_000 };

interface Wait {
  readonly intervals: LockIntervals;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
}

/**
 * @param work what takes longer than a second does it `inTurns`, because the lock is touched between them
 * @param timeoutMs how long to wait for the lock, usually `fileLockTimeoutMs`
 * @throws IscepError `busy` when another process holds the lock for longer; and what `work` throws
 */
export function withFileLock<Result>(
  path: string,
  timeoutMs: number,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  return withTouchedLock(lockIntervals, path, timeoutMs, work);
}

/** As `withFileLock`, for tests, which have no time for its intervals. */
export async function withTouchedLock<Result>(
  intervals: LockIntervals,
  path: string,
  timeoutMs: number,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  const lock = `${path}.lock`;
  const release = await acquire(lock, lock, { intervals, timeoutMs, deadlineMs: performance.now() + timeoutMs });
  try {
    sweep(path, lock);
    return await work();
  } finally {
    release();
  }
}

async function acquire(lock: string, base: string, wait: Wait): Promise<() => void> {
  const { intervals, timeoutMs, deadlineMs } = wait;
  const holder = `${ownProcessMark()}-${randomBytes(8).toString("hex")}`;
  const pauseMs = timeoutMs / 1000;
  const silence = new Silence(Math.max(intervals.silenceMs / 2, 3 * pauseMs));
  let file: number | undefined;
  while ((file = openFileExclusively(lock, holder)) === undefined) {
    const found = readHolder(lock) ?? ""; // it is empty when the lock was released just now
    const [, mark, number] = holderPattern.exec(found) ?? [];
    const sight = `${found} ${touchedMs(lock)}`;
    const isSilent = silence.look(sight) > intervals.silenceMs;
    if (mark !== undefined && number !== undefined && (isOwnScope(mark) ? isProcessGone(mark) : isSilent)) {
      const releaseTakeover = await acquire(`${base}.${number}`, base, wait);
      try {
        // A touch that is due in this very process, which stood still, comes first.
        await new Promise((resolve) => setImmediate(resolve));
        // While this process waited for the takeover, the holder may have gone on.
        const isSame = readHolder(lock) === found && (isOwnScope(mark) || `${found} ${touchedMs(lock)}` === sight);
        if (isSame) rmSync(lock, { force: true });
      } finally {
        releaseTakeover();
      }
      continue;
    }
    if (performance.now() >= deadlineMs) throw stillHeld(lock, found, timeoutMs);
    // A random delay, so that not all waiting processes try again at the same moment.
    await pause(Math.max(1, pauseMs * (0.5 + Math.random())));
  }
  return hold(lock, file, intervals.touchMs);
}

/** Returns a function that gives the lock back. It needs no new descriptor, because there may be none left then. */
function hold(lock: string, file: number, touchMs: number): () => void {
  const touches = setInterval(() => {
    const now = new Date();
    try {
      futimesSync(file, now, now);
    } catch {
      // The next touch may succeed. When none does for `silenceMs`, another container takes the lock over.
    }
  }, touchMs).unref();
  return () => {
    clearInterval(touches);
    // While the file is open, no other file can have its inode number.
    const isOurs =
      statSync(lock, { bigint: true, throwIfNoEntry: false })?.ino === fstatSync(file, { bigint: true }).ino;
    closeSync(file);
    if (isOurs) rmSync(lock, { force: true });
  };
}

function touchedMs(lock: string): number | undefined {
  return statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
}

function readHolder(lock: string): string | undefined {
  try {
    return readFileSync(lock, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Call this only while the lock is held. Then second locks of earlier locks have no meaning any more. */
function sweep(path: string, lock: string): void {
  const takeovers = readdirSync(dirname(lock))
    .filter((name) => name.startsWith(`${basename(lock)}.`) && /\.[0-9a-f]{16}$/.test(name))
    .map((name) => join(dirname(lock), name))
    .filter((name) => isProcessGone(holderPattern.exec(readHolder(name) ?? "")?.[1] ?? ""));
  for (const left of [...takeovers, ...staleTemporaryFiles(path)]) rmSync(left, { force: true });
}

function stillHeld(lock: string, holder: string, timeoutMs: number): IscepError {
  const pid = /^[0-9]+/.exec(holder)?.[0];
  return new IscepError(
    "busy",
    `${lock} is held by ${pid === undefined ? "someone" : `process ${pid}`}, for longer than ${timeoutMs} ms (fileLockTimeoutMs); ` +
      "if that process is not there any more, remove this file",
  );
}
