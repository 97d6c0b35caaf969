/**
 * Shows in the runs folder that this server lives, for servers that cannot see its process, such as one in another
 * container. It is a file named after the process, which is touched at intervals. Whether another server lives is seen
 * from how long its file stays as it is. The date of the file alone proves nothing, because a clock may jump, and the
 * clocks of two machines differ.
 */
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync, type Stats } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isOwnScope, isProcessGone, isProcessMark, ownProcessMark } from "../files/process-mark.js";
import { Silence } from "../files/silence.js";

/** A busy disk or event loop may be late, but not by this many intervals. */
const missedRenewals = 4;

/**
 * The same for a file whose date is that old. The server most likely ended before this one looked. If it lives, and the
 * clock has jumped, it writes within one interval.
 */
const missedRenewalsOfOld = 2;

const suffix = ".server";

/** How many servers of this process have each lease. They share one mark. */
const held = new Map<string, number>();

export class ServerLease {
  readonly #folder: string;
  readonly #renewMs: number;
  readonly #path: string;
  readonly #timer: NodeJS.Timeout;
  /** How long each server has been silent, by its mark. */
  readonly #silences = new Map<string, Silence>();
  #isClosed = false;

  /** @throws what the system says */
  constructor(folder: string, renewMs: number, onProblem: (error: unknown) => void) {
    this.#folder = folder;
    this.#renewMs = renewMs;
    this.#path = this.#pathOf(ownProcessMark());
    this.#renew();
    held.set(this.#path, (held.get(this.#path) ?? 0) + 1);
    this.#timer = setInterval(() => {
      try {
        this.#renew();
      } catch (error) {
        onProblem(error);
      }
      void this.#lookAround().catch((error: unknown) => this.#isClosed || onProblem(error));
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
    if (stats === undefined) return true;
    const silence = this.#silences.get(mark) ?? new Silence(missedRenewalsOfOld * this.#renewMs);
    this.#silences.set(mark, silence);
    const missed = this.#isOld(stats) ? missedRenewalsOfOld : missedRenewals;
    return silence.look(`${stats.mtimeMs}`) > missed * this.#renewMs;
  }

  /**
   * Like `isGone`. undefined: this server has neither seen the other one write, nor watched it for long enough to know that
   * it is gone.
   */
  isGoneIfKnown(mark: string): boolean | undefined {
    if (this.isGone(mark)) return true;
    return isOwnScope(mark) || this.#silences.get(mark)?.hasSpoken === true ? false : undefined;
  }

  #isOld({ mtimeMs }: Stats): boolean {
    return Date.now() - mtimeMs > missedRenewals * this.#renewMs;
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

  /**
   * Looks for all servers, so that the first question about one of them, days later, has its answer, and removes the
   * files of those that are gone.
   */
  async #lookAround(): Promise<void> {
    const marks = new Set(marksAmong(await readdir(this.#folder)));
    for (const mark of this.#silences.keys()) if (!marks.has(mark)) this.#silences.delete(mark);
    for (const mark of marks) if (this.isGone(mark)) rmSync(this.#pathOf(mark), { force: true });
  }

  /** Removes the files of servers that are gone. */
  sweep(): void {
    for (const mark of marksAmong(readdirSync(this.#folder)))
      if (this.isGone(mark)) rmSync(this.#pathOf(mark), { force: true });
  }

  /** The file stays while another server of this process has it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    const left = (held.get(this.#path) ?? 1) - 1;
    if (left > 0) {
      held.set(this.#path, left);
      return;
    }
    held.delete(this.#path);
    try {
      rmSync(this.#path, { force: true });
    } catch {
      // The folder is gone, so nobody looks for the file there.
    }
  }
}

function marksAmong(names: readonly string[]): string[] {
  return names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
}
