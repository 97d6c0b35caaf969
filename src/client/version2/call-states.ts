/**
 * What a call of a version 2 client can be, what can happen to it, and what it is then. An event that is missing in a
 * row cannot happen to such a call. client.ts says what is done when a state changes.
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
  /** Its connection is gone, but another one can go on with it. */
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

  /** It was sent, and nobody knows yet whether the server has begun with it. */
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

  /** The id of its run is known, so it can be found again. */
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

/** undefined for an event that cannot happen in that state. */
export function stateAfter(state: CallState, event: CallEvent): CallState | undefined {
  return rows[state][event];
}

export function placeOf(state: CallState): Place {
  return rows[state].at;
}

/** For the test that walks through all pairs. */
export const callStates = Object.keys(table).filter((name): name is CallState => name in table);
