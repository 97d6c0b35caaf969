/** The surroundings of a command line: its process, or what a caller in the same process gives instead. */
import { AsyncLocalStorage } from "node:async_hooks";
import { fstatSync } from "node:fs";
import type { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";

export interface Input extends Readable {
  readonly isTTY?: boolean;
  /** Only a terminal has it: each key comes at once, and none has a meaning of its own. */
  setRawMode?(isRaw: boolean): unknown;
}

export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
}

/** What the system says standard input is. A `socket` is mostly what programs give to the programs that they start. */
export type InputKind = "folder" | "file" | "pipe" | "socket" | "other";

export interface Surroundings {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * Listens to signals by their names, and to the events `exit`, `unhandledRejection` and `uncaughtException` of a
   * process.
   */
  readonly events: Pick<EventEmitter, "on" | "once" | "off">;
  inputKind(): InputKind;
  /** Ends everything at once. In a real process, nothing after it is reached. */
  readonly exit: (exitCode: number) => void;
  /** True when the process does nothing else. Only then may what its starter left open be closed. */
  readonly ownsProcess: boolean;
}

const ownProcess: Surroundings = {
  // Node opens each stream at its first use. Not every verb uses them at its start.
  get stdin() {
    return process.stdin;
  },
  get stdout() {
    return process.stdout;
  },
  get stderr() {
    return process.stderr;
  },
  env: process.env,
  events: process,
  inputKind() {
    try {
      const stats = fstatSync(0);
      if (stats.isDirectory()) return "folder";
      if (stats.isFile()) return "file";
      if (stats.isFIFO()) return "pipe";
      return stats.isSocket() ? "socket" : "other";
    } catch {
      return "other"; // closed
    }
  },
  exit: (exitCode) => process.exit(exitCode),
  ownsProcess: true,
};

// A process is its own surroundings, and never enters this storage, because following each promise would make a server
// much slower.
const given = new AsyncLocalStorage<Surroundings>();

export function surroundings(): Surroundings {
  return given.getStore() ?? ownProcess;
}

export function within<Result>(place: Surroundings, work: () => Result): Result {
  return given.run(place, work);
}
