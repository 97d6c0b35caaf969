/** Lets each planned time be started by one of the servers that share a runs folder. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { IscepError, isIscepError } from "../errors.js";
import { systemCodeOf } from "../files/system-code.js";
import { createFileExclusively } from "../files/atomic-file.js";
import { ownProcessMark } from "../files/process-mark.js";
import { isShortage } from "../files/shortage.js";
import type { ScheduleClaim, ScheduledTime } from "./shared-times.js";

/**
 * How many claims of this process have not ended, by the file that says who runs the command. A time that is left out
 * while the last run goes on must not give away the mark of that run. All servers of a process share one mark.
 */
const held = new Map<string, number>();

/** Whether the server with this mark has ended; undefined: that is known soon. */
type IsGone = (server: string) => boolean | undefined;

/**
 * The claim rejects when memory or descriptors are short, or while nobody knows whether the server that had the last run
 * lives, and nobody has claimed the time then.
 * @param catchUpMs how long after a time other servers may still ask for it
 */
export function folderClaims(
  folder: string,
  isGone: IsGone,
  catchUpMs: number,
): (time: ScheduledTime) => Promise<ScheduleClaim> {
  return async ({ command, plannedMs, isAlone }) => {
    const path = join(folder, `schedule-${createHash("sha256").update(command).digest("hex").slice(0, 32)}`);
    try {
      return claim(path, plannedMs, isAlone, isGone, 2 * catchUpMs);
    } catch (error) {
      if (mayAskAgain(error)) throw error;
      // A folder that cannot be written to must not prevent a backup from running. The run itself reports the folder.
      return { kind: "ours", ended: () => {} };
    }
  };
}

function claim(path: string, plannedMs: number, isAlone: boolean, isGone: IsGone, keptMs: number): ScheduleClaim {
  const claimed = `${path}.${plannedMs}`;
  if (!createFileExclusively(claimed, ownProcessMark())) return { kind: "others" };
  try {
    removeOld(path, keptMs);
    return isAlone ? claimAlone(`${path}.running`, isGone) : { kind: "ours", ended: () => {} };
  } catch (error) {
    // This server or another one asks again.
    if (mayAskAgain(error)) rmSync(claimed, { force: true });
    throw error;
  }
}

function mayAskAgain(error: unknown): boolean {
  return isShortage(error) || isIscepError(error);
}

/** @throws IscepError `busy` while it is not known whether the last run goes on */
function claimAlone(running: string, isGone: IsGone): ScheduleClaim {
  const before = holderOf(running);
  if (before !== undefined && before !== ownProcessMark()) {
    const gone = isGone(before);
    if (gone === undefined)
      throw new IscepError("busy", `it is not known yet whether the server of its last run lives (${before})`);
    if (!gone) return { kind: "underWay", where: before };
  }
  writeFileSync(running, ownProcessMark(), { mode: 0o600 });
  held.set(running, (held.get(running) ?? 0) + 1);
  return {
    kind: "ours",
    ended: () => {
      const left = (held.get(running) ?? 1) - 1;
      if (left > 0) {
        held.set(running, left);
        return;
      }
      held.delete(running);
      try {
        if (holderOf(running) === ownProcessMark()) rmSync(running, { force: true });
      } catch {
        // The file stays until this server starts the command again or has ended.
      }
    },
  };
}

function holderOf(running: string): string | undefined {
  try {
    return readFileSync(running, "utf8");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Only claims that nobody asks for any more. */
function removeOld(path: string, keptMs: number): void {
  for (const name of readdirSync(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !/\.\d+$/.test(name)) continue;
    const claimed = join(dirname(path), name);
    const { mtimeMs } = statSync(claimed, { throwIfNoEntry: false }) ?? {};
    if (mtimeMs !== undefined && Date.now() - mtimeMs > keptMs) rmSync(claimed, { force: true });
  }
}
