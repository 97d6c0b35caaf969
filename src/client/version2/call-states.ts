/**
 * What a call of a version 2 client can be, what can happen to it, and what it is then. An event that is missing in a row
 * cannot happen to such a call. What is done when a state changes stands in client.ts.
 */

export const callEvents = [
  /** It leaves over a connection: for the first time, or to be taken up again. */
  "sent",
  /** The server has told the id of its run. */
  "started",
  /** The server has said how it ended. */
  "answered",
  /** No more of its output will come, or is wanted. */
  "outputOver",
  /** Its caller wants it to stop, and waits for what becomes of it. */
  "cancel",
  /** Its caller gets an error from the client itself, and waits no longer. */
  "abandon",
  /** Its connection is gone, and another one can go on with it. */
  "interrupted",
  /** Nothing can bring its answer, or the rest of its output, any more. */
  "lost",
] as const;

export type CallEvent = (typeof callEvents)[number];
export type CallState = keyof typeof table;

/** Who has it now: the client holds it back, the server works on it, or it is over. */
type Place = "client" | "server" | "nowhere";
type StateRow = { readonly at: Place } & { readonly [Event in CallEvent]?: string };

const table = {
  /** Nothing of it has left. */
  queued: { at: "client", sent: "sent", outputOver: "queued", cancel: "ended", abandon: "ended", lost: "ended" },

  /** Nobody knows yet whether the server has begun with it. */
  sent: {
    at: "server",
    started: "started",
    answered: "draining",
    outputOver: "sent",
    cancel: "stopping",
    abandon: "abandoned",
    interrupted: "away",
    lost: "ended",
  },

  /** The id of its run is known, so that it can be found again. */
  started: {
    at: "server",
    started: "started",
    answered: "draining",
    outputOver: "started",
    cancel: "stopping",
    abandon: "abandoned",
    interrupted: "away",
    lost: "ended",
  },

  /** The server is asked to stop it, and its caller waits for the outcome. */
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

  /** The server is asked to stop it, and nobody waits. It takes a place there until the server has answered. */
  abandoned: {
    at: "server",
    started: "abandoned",
    answered: "ended",
    outputOver: "abandoned",
    cancel: "abandoned",
    interrupted: "ended",
    lost: "ended",
  },

  /** Answered, and the last of its output is on its way. A second answer changes nothing. */
  draining: {
    at: "server",
    started: "draining",
    answered: "draining",
    outputOver: "ended",
    cancel: "draining",
    interrupted: "awayDraining",
    lost: "ended",
  },

  /** Its connection is gone, and the next one goes on with it. */
  away: { at: "client", sent: "sent", outputOver: "away", cancel: "awayStopping", abandon: "ended", lost: "ended" },

  /** As `away`, and the server shall stop it as soon as it can be told so. */
  awayStopping: {
    at: "client",
    sent: "stopping",
    outputOver: "awayStopping",
    cancel: "awayStopping",
    abandon: "ended",
    lost: "ended",
  },

  /** The rest of its output has to come over the next connection. That brings the answer once more, too. */
  awayDraining: {
    at: "client",
    sent: "sent",
    outputOver: "ended",
    cancel: "awayDraining",
    abandon: "ended",
    lost: "ended",
  },

  /** Its caller may still ask for something, which changes nothing. */
  ended: { at: "nowhere", outputOver: "ended", cancel: "ended" },
} as const satisfies Record<string, StateRow>;

const rows: Readonly<Record<CallState, { readonly at: Place } & { readonly [Event in CallEvent]?: CallState }>> = table;

/** Undefined for an event that cannot happen in that state. */
export function stateAfter(state: CallState, event: CallEvent): CallState | undefined {
  return rows[state][event];
}

export function placeOf(state: CallState): Place {
  return rows[state].at;
}

/** For the test that walks through all pairs. */
export const callStates = Object.keys(table).filter((name): name is CallState => name in table);
