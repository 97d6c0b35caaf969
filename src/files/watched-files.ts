/** Reports when files have changed. It uses what the system reports about their folders, and the dates of the files. */
import { realpathSync, statSync, watch, type FSWatcher } from "node:fs";
import { dirname, resolve } from "node:path";
import { systemCodeOf } from "./system-code.js";
import type { Limits } from "../limits/limits.js";

export interface WatchedFilesOptions {
  readonly limits: Pick<Limits, "configurationSettleMs" | "configurationCheckMs">;
  /** Called with files that have changed, and then stayed the same for `configurationSettleMs`. */
  onChange(files: readonly string[]): void;
}

export class WatchedFiles {
  /** The state of each file when its last change was reported, and at the last look. */
  readonly #told = new Map<string, string>();
  readonly #seen = new Map<string, string>();
  readonly #watchers = new Map<string, FSWatcher>();
  #options: WatchedFilesOptions | undefined;
  #interval: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Make this before you read the files, so that no change is missed. */
  constructor(files: readonly string[]) {
    this.add(files);
  }

  add(files: readonly string[]): void {
    for (const file of files.map((name) => resolve(name))) {
      if (!this.#told.has(file)) this.#told.set(file, signatureOf(file));
    }
    if (this.#options !== undefined) this.#watch();
  }

  start(options: WatchedFilesOptions): void {
    this.#options = options;
    this.#interval = setInterval(() => this.#look(), options.limits.configurationCheckMs);
    this.#interval.unref();
    this.#watch();
    this.#lookSoon();
  }

  close(): void {
    this.#options = undefined;
    clearInterval(this.#interval);
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /**
   * Watches the folders, because an editor replaces the file by a rename, and the folders that symbolic links lead to,
   * because Kubernetes replaces what a link leads to. Where the system does not report changes, the interval finds
   * them.
   */
  #watch(): void {
    const folders = new Set([...this.#told.keys()].flatMap(foldersOf));
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#lookSoon());
        this.#watchers.set(folder, watcher);
        watcher.on("error", () => {
          watcher.close();
          this.#watchers.delete(folder);
        });
      } catch {
        // There is no such folder, or the system has no more watches to give.
      }
    }
  }

  /** Further events do not delay this: a log in the same folder makes events all the time. */
  #lookSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, this.#options?.limits.configurationSettleMs).unref();
  }

  #look(): void {
    const changed: [file: string, signature: string][] = [];
    let settled = true;
    for (const [file, told] of this.#told) {
      const signature = signatureOf(file);
      if (signature !== told) {
        changed.push([file, signature]);
        settled &&= this.#seen.get(file) === signature;
      }
      this.#seen.set(file, signature);
    }
    if (changed.length === 0) return;
    if (!settled) {
      this.#lookSoon();
      return;
    }
    for (const [file, signature] of changed) this.#told.set(file, signature);
    this.#watch();
    this.#options?.onChange(changed.map(([file]) => file));
  }
}

function foldersOf(file: string): string[] {
  try {
    return [dirname(file), dirname(realpathSync(file))];
  } catch {
    return [dirname(file)];
  }
}

function signatureOf(file: string): string {
  try {
    const stats = statSync(file, { bigint: true });
    return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(" ");
  } catch (error) {
    // The file is missing, is a link to itself, or is behind a closed folder. The reader of the file will report that.
    return systemCodeOf(error) ?? "unreadable";
  }
}
