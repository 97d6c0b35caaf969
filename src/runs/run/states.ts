/**
 * What a run can be, what can happen to it, and what follows. All of it is in one table, and nothing of it elsewhere
 * (in the manner of h11's `_state.py`). A run begins as `checking`. Three facts are no states, because they can be true
 * in any state: callers hold it, it is detached, it is kept.
 */

export type RunState =
  /** Its arguments are being checked. */
  | "checking"
  /** It waits for its command, or for a place in the server. */
  | "waiting"
  /** Its command is being executed, for this run alone or for others too. */
  | "running"
  /** It was asked to stop. Its outcome comes when it has stopped. */
  | "ending"
  /** It has its one outcome. */
  | "ended";

export type RunEvent =
  /** It must wait for its turn. */
  | "waits"
  /** Its turn has come. */
  | "begins"
  /** Somebody asks it to stop: a caller, its timeout, the close of the server. */
  | "stops"
  /** There is an outcome. */
  | "ends";

/** undefined: nothing follows, because the event comes too late. */
export const runStates: Readonly<Record<RunState, Readonly<Record<RunEvent, RunState | undefined>>>> = {
  checking: { waits: "waiting", begins: "running", stops: "ending", ends: "ended" },
  waiting: { waits: undefined, begins: "running", stops: "ending", ends: "ended" },
  running: { waits: undefined, begins: undefined, stops: "ending", ends: "ended" },
  ending: { waits: undefined, begins: undefined, stops: undefined, ends: "ended" },
  ended: { waits: undefined, begins: undefined, stops: undefined, ends: undefined },
};
