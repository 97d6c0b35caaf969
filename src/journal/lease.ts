/**
 * Says in the runs folder that this server lives, for servers that cannot see its process: in another container, say, as
 * each new container is one. A file named after the process, touched every now and then.
 */
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isOwnScope, isProcessGone, isProcessMark, ownProcessMark } from "../files/process-mark.js";

/** A busy disk or event loop may be late, but not by as much as this many times. */
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
      writeFileSync(this.#path, "", { mode: 0o600 }); // the first time, or somebody removed it
    }
  }

  /** Whether the server with this mark has ended: by its process where it can be seen, else by its file. */
  isGone(mark: string): boolean {
    if (isProcessGone(mark) || !isProcessMark(mark)) return true;
    if (isOwnScope(mark)) return false;
    const stats = statSync(this.#pathOf(mark), { throwIfNoEntry: false });
    return stats === undefined || Date.now() - stats.mtimeMs > missedRenewals * this.#renewMs;
  }

  /** `isGone`, asked once for each server: many runs are one server's. */
  goneServers(): (mark: string) => boolean {
    const known = new Map<string, boolean>();
    return (mark) => {
      const isGone = known.get(mark) ?? this.isGone(mark);
      known.set(mark, isGone);
      return isGone;
    };
  }

  /** Removes what servers that are gone have left. */
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
      // The folder is gone: then nobody looks for it there.
    }
  }
}
