/**
 * What a run can be, what can happen to it, and what follows; and the same for the work that is executed for it. Each
 * is one table, and nothing of it is elsewhere (in the manner of h11's `_state.py`). A run begins as `checking`, and its
 * work as `waiting`.
 *
 * Facts that can be true in any state are no states. Who holds a run, and how often it is detached, is in holders.ts.
 * `isInJournal` and `isKept` become true once, by the journal. What its call asked for, such as `mayWait` and
 * `retention`, is set before the run has its first event.
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

export type WorkState =
  /** It has not begun: it asks for its turn, or waits for it. */
  | "waiting"
  /** It is being executed. */
  | "running"
  /** No run wants it any more. It never begins, or it was told to stop and has not ended yet. */
  | "stopping"
  /** It has ended. A run that joined it may still wait for the last of its output. */
  | "over";

export type WorkEvent =
  /** Its turn has come. */
  | "begins"
  /** The last run that wanted it has left. */
  | "stops"
  /** It has an outcome. */
  | "ends";

export const workStates: Readonly<Record<WorkState, Readonly<Record<WorkEvent, WorkState | undefined>>>> = {
  waiting: { begins: "running", stops: "stopping", ends: "over" },
  running: { begins: undefined, stops: "stopping", ends: "over" },
  stopping: { begins: undefined, stops: undefined, ends: "over" },
  over: { begins: undefined, stops: undefined, ends: undefined },
};
