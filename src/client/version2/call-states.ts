/**
 * What a call of a version 2 client can be, what can happen to it, and what it is then. Its state says where it stands.
 * Its trace says what the server has of it, and so what may be done when its connection is gone: a call that may have
 * begun, and that nobody can find again, is lost. An event that is missing in a row of states cannot happen to such a
 * call. client.ts says what is done when a state changes.
 */

export const callEvents = [
  /** It is sent over a connection, for the first time or again. */
  "sent",
  /** The server said the id of its run. */
  "started",
  /** The server said how it ended. */
  "answered",
  /** No more of its output will come, or nobody wants more. */
  "outputOver",
  /** Its caller wants it to stop, and waits for its outcome. */
  "cancel",
  /** Its caller got an error from the client, and does not wait any more. */
  "abandon",
  /** Its connection is gone. Another one may go on with it, if its trace leads there; otherwise it is lost. */
  "interrupted",
  /** Nothing can bring its answer or the rest of its output any more. */
  "lost",
] as const;

export type CallEvent = (typeof callEvents)[number];
export type CallState = keyof typeof table;

/** Where it is: the client holds it back, the server works on it, or it is over. */
type Place = "client" | "server" | "nowhere";
type StateRow = { readonly at: Place } & { readonly [Event in CallEvent]?: string };

const table = {
  /** It was not sent yet. */
  queued: { at: "client", sent: "sent", outputOver: "queued", cancel: "ended", abandon: "ended", lost: "ended" },

  /** The server has it, and its caller waits for the answer. */
  sent: {
    at: "server",
    started: "sent",
    answered: "draining",
    outputOver: "sent",
    cancel: "stopping",
    abandon: "abandoned",
    interrupted: "away",
    lost: "ended",
  },

  /** The server was asked to stop it, and its caller waits for the outcome. */
  stopping: {
    at: "server",
    started: "stopping",
    answered: "draining",
    outputOver: "stopping",
    cancel: "stopping",
    abandon: "abandoned",
    interrupted: "awayStopping",
    lost: "ended",
  },

  /** The server was asked to stop it, and nobody waits. It takes a place there until the server has answered. */
  abandoned: {
    at: "server",
    started: "abandoned",
    answered: "ended",
    outputOver: "abandoned",
    cancel: "abandoned",
    interrupted: "ended",
    lost: "ended",
  },

  /** It is answered, and the last part of its output is on its way. A second answer changes nothing. */
  draining: {
    at: "server",
    started: "draining",
    answered: "draining",
    outputOver: "ended",
    cancel: "draining",
    interrupted: "awayDraining",
    lost: "ended",
  },

  /** Its connection is gone. The next one goes on with it. */
  away: { at: "client", sent: "sent", outputOver: "away", cancel: "awayStopping", abandon: "ended", lost: "ended" },

  /** Like `away`, but the server must stop it as soon as it can be told. */
  awayStopping: {
    at: "client",
    sent: "stopping",
    outputOver: "awayStopping",
    cancel: "awayStopping",
    abandon: "ended",
    lost: "ended",
  },

  /** The rest of its output must come over the next connection, which also brings the answer once more. */
  awayDraining: {
    at: "client",
    sent: "sent",
    outputOver: "ended",
    cancel: "awayDraining",
    abandon: "ended",
    lost: "ended",
  },

  /** It is over. Its caller may still ask for something, which changes nothing. */
  ended: { at: "nowhere", outputOver: "ended", cancel: "ended" },
} as const satisfies Record<string, StateRow>;

const rows: Readonly<Record<CallState, { readonly at: Place } & { readonly [Event in CallEvent]?: CallState }>> = table;

export const unansweredReasons = [
  /** Its caller does not wait any more, and only the answer counted. Or it was never sent, and its time is over. */
  "left",
  /** The server has read nothing that came over the last connection. */
  "unread",
  /** Nobody can tell what became of it. */
  "unknown",
  /** The server refuses it now. */
  "refused",
] as const;

export type UnansweredReason = (typeof unansweredReasons)[number];
export type CallTrace = keyof typeof traceTable;

/**
 * What the caller is told: the error as it is, that the call was `rejected`, so that it never began, or that it is
 * `lost`, because it may have begun and nobody knows how it ends.
 */
export type Unanswered = "error" | "rejected" | "lost";

type TraceRow = { readonly [Event in "started" | "interrupted"]?: string } & {
  readonly [Reason in UnansweredReason]: Unanswered;
};

const traceTable = {
  /** It asks for something and begins nothing, so it may be asked again. */
  question: {
    started: "question",
    interrupted: "question",
    left: "error",
    unread: "error",
    unknown: "error",
    refused: "error",
  },

  /** It follows a run of which the server has not said yet that it knows it. */
  follower: {
    started: "findable",
    interrupted: "follower",
    left: "error",
    unread: "error",
    unknown: "lost",
    refused: "error",
  },

  /** It begins a run that nobody can find again, so it is sent once. */
  single: { started: "findable", left: "error", unread: "rejected", unknown: "lost", refused: "error" },

  /** Its run can be found again by its id or its key. */
  findable: {
    started: "findable",
    interrupted: "resumed",
    left: "error",
    unread: "rejected",
    unknown: "lost",
    refused: "error",
  },

  /** It may have begun over an earlier connection, so a refusal is no proof that it never did. */
  resumed: {
    started: "resumed",
    interrupted: "resumed",
    left: "error",
    unread: "lost",
    unknown: "lost",
    refused: "lost",
  },
} as const satisfies Record<string, TraceRow>;

const traceRows: Readonly<
  Record<
    CallTrace,
    { readonly [Event in "started" | "interrupted"]?: CallTrace } & {
      readonly [Reason in UnansweredReason]: Unanswered;
    }
  >
> = traceTable;

/** undefined for an event that cannot happen in that state. */
export function stateAfter(state: CallState, event: CallEvent, trace: CallTrace): CallState | undefined {
  const next = rows[state][event];
  if (event !== "interrupted" || next === undefined) return next;
  return traceRows[trace].interrupted === undefined ? rows[state].lost : next;
}

export function traceAfter(trace: CallTrace, event: CallEvent): CallTrace {
  return event === "started" || event === "interrupted" ? (traceRows[trace][event] ?? trace) : trace;
}

export function traceOf({
  method,
  hasKey,
}: {
  readonly method: string;
  readonly hasKey?: boolean | undefined;
}): CallTrace {
  if (method === "attach") return "follower";
  if (method !== "call") return "question";
  return hasKey === true ? "findable" : "single";
}

/** How a call ends that gets no answer, or none that can be believed. */
export function unanswered(trace: CallTrace, reason: UnansweredReason): Unanswered {
  return traceRows[trace][reason];
}

export function placeOf(state: CallState): Place {
  return rows[state].at;
}

/** The test that walks through all pairs needs this. */
export const callStates = Object.keys(table).filter((name): name is CallState => name in table);
export const callTraces = Object.keys(traceTable).filter((name): name is CallTrace => name in traceTable);
