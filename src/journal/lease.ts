/**
 * Shows in the runs folder that this server lives, for servers that cannot see its process, such as one in another
 * container. It is a file named after the process, which is touched at intervals.
 */
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isOwnScope, isProcessGone, isProcessMark, ownProcessMark } from "../files/process-mark.js";

/** A busy disk or event loop may be late, but not by this many intervals. */
const missedRenewals = 4;

const suffix = ".server";

export class ServerLease {
  readonly #folder: string;
  readonly #renewMs: number;
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;

  /** @throws what the system says */
  constructor(folder: string, renewMs: number, onProblem: (error: unknown) => void) {
    this.#folder = folder;
    this.#renewMs = renewMs;
    this.#path = this.#pathOf(ownProcessMark());
    this.#renew();
    this.#timer = setInterval(() => {
      try {
        this.#renew();
      } catch (error) {
        onProblem(error);
      }
    }, renewMs).unref();
  }

  #pathOf(mark: string): string {
    return join(this.#folder, mark + suffix);
  }

  #renew(): void {
    try {
      const now = new Date();
      utimesSync(this.#path, now, now);
    } catch {
      writeFileSync(this.#path, "", { mode: 0o600 }); // the first time, or after somebody removed it
    }
  }

  /** True when the server with this mark has ended. Its process decides if it can be seen, and otherwise its file. */
  isGone(mark: string): boolean {
    if (isProcessGone(mark) || !isProcessMark(mark)) return true;
    if (isOwnScope(mark)) return false;
    const stats = statSync(this.#pathOf(mark), { throwIfNoEntry: false });
    return stats === undefined || Date.now() - stats.mtimeMs > missedRenewals * this.#renewMs;
  }

  /** Like `isGone`, but asks once for each server, because many runs belong to one server. */
  goneServers(): (mark: string) => boolean {
    const known = new Map<string, boolean>();
    return (mark) => {
      const isGone = known.get(mark) ?? this.isGone(mark);
      known.set(mark, isGone);
      return isGone;
    };
  }

  /** Removes the files of servers that are gone. */
  sweep(): void {
    for (const name of readdirSync(this.#folder)) {
      if (!name.endsWith(suffix)) continue;
      if (this.isGone(name.slice(0, -suffix.length))) rmSync(join(this.#folder, name), { force: true });
    }
  }

  close(): void {
    clearInterval(this.#timer);
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // The folder is gone, so nobody looks for the file there.
    }
  }
}
