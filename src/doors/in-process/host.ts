import type { DoorHost } from "../connection.js";

/** What can be ended when its token is removed. */
export interface InProcessSession {
  checkToken(): void;
}

/** What a server has for callers in its own process, once it listens. */
export interface InProcessHost extends DoorHost {
  /** Whether this source has shown too many wrong tokens of late. */
  isPenalised(source: string): boolean;
  /** Sessions that have runs under way; the server's sweep asks them to look at their tokens. */
  readonly inProcess: Set<InProcessSession>;
}
