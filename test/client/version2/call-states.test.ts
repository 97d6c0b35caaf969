/**
 * Every state of a client's call, with every trace that it can have in the server, and every event: the tables say what
 * follows, and this walks through all of it.
 */
import { expect, test } from "vitest";
import {
  callEvents,
  callStates,
  callTraces,
  placeOf,
  stateAfter,
  traceAfter,
  traceOf,
  unanswered,
  unansweredReasons,
  type CallState,
} from "#iscep/client/version2/call-states";

const pairs = callTraces.flatMap((trace) =>
  callStates.flatMap((state) =>
    callEvents.map((event) => ({ trace, state, event, next: stateAfter(state, event, trace) })),
  ),
);

test("each pair leads where it is known to lead, or cannot be, for a call that can be found again", () => {
  const lines = callStates.map((state) => {
    const changes = callEvents.map((event) => `${event} ${stateAfter(state, event, "findable") ?? "-"}`);
    return `${state} (${placeOf(state)}): ${changes.join(", ")}`;
  });
  expect(lines).toEqual([
    "queued (client): sent sent, started -, answered -, outputOver queued, cancel ended, abandon ended, interrupted -, lost ended",
    "sent (server): sent -, started sent, answered draining, outputOver sent, cancel stopping, abandon abandoned, interrupted away, lost ended",
    "stopping (server): sent -, started stopping, answered draining, outputOver stopping, cancel stopping, abandon abandoned, interrupted awayStopping, lost ended",
    "abandoned (server): sent -, started abandoned, answered ended, outputOver abandoned, cancel abandoned, abandon -, interrupted ended, lost ended",
    "draining (server): sent -, started draining, answered draining, outputOver ended, cancel draining, abandon -, interrupted awayDraining, lost ended",
    "away (client): sent sent, started -, answered -, outputOver away, cancel awayStopping, abandon ended, interrupted -, lost ended",
    "awayStopping (client): sent stopping, started -, answered -, outputOver awayStopping, cancel awayStopping, abandon ended, interrupted -, lost ended",
    "awayDraining (client): sent sent, started -, answered -, outputOver ended, cancel awayDraining, abandon ended, interrupted -, lost ended",
    "ended (nowhere): sent -, started -, answered -, outputOver ended, cancel ended, abandon -, interrupted -, lost -",
  ]);
});

/** The pairs of which the table says what should not be. */
function wrong(is: (pair: (typeof pairs)[number]) => boolean): string[] {
  return pairs.filter((pair) => !is(pair)).map(({ trace, state, event, next }) => `${trace} ${state} ${event} ${next}`);
}

test("a call that may have begun and that nobody can find again ends with its connection, and others go on", () => {
  const interrupted = callTraces.map((trace) => {
    const changes = callStates.map((state) => `${state} ${stateAfter(state, "interrupted", trace) ?? "-"}`);
    return `${trace}: ${changes.join(", ")}`;
  });
  const goesOn =
    "queued -, sent away, stopping awayStopping, abandoned ended, draining awayDraining, away -, awayStopping -, awayDraining -, ended -";
  expect(interrupted).toEqual([
    `question: ${goesOn}`,
    `follower: ${goesOn}`,
    "single: queued -, sent ended, stopping ended, abandoned ended, draining ended, away -, awayStopping -, awayDraining -, ended -",
    `findable: ${goesOn}`,
    `resumed: ${goesOn}`,
  ]);
});

test("nothing but an interruption depends on the trace", () => {
  expect(
    wrong(({ state, event, next }) => event === "interrupted" || next === stateAfter(state, event, "question")),
  ).toEqual([]);
});

test("each trace becomes what it is known to become", () => {
  const lines = callTraces.map((trace) => {
    const changes = callEvents.map((event) => `${event} ${traceAfter(trace, event)}`);
    return `${trace}: ${changes.filter((change) => !change.endsWith(` ${trace}`)).join(", ")}`;
  });
  expect(lines).toEqual([
    "question: ",
    "follower: started findable",
    "single: started findable",
    "findable: interrupted resumed",
    "resumed: ",
  ]);
});

test("each trace and each reason say what the caller of a call without an answer is told", () => {
  const lines = callTraces.map((trace) => {
    const told = unansweredReasons.map((reason) => `${reason} ${unanswered(trace, reason)}`);
    return `${trace}: ${told.join(", ")}`;
  });
  expect(lines).toEqual([
    "question: left error, unread error, unknown error, refused error",
    "follower: left error, unread error, unknown lost, refused error",
    "single: left error, unread rejected, unknown lost, refused error",
    "findable: left error, unread rejected, unknown lost, refused error",
    "resumed: left error, unread lost, unknown lost, refused lost",
  ]);
});

test("no call that may have begun before is ever told to be rejected", () => {
  // What another connection may have begun stays in doubt, whatever comes then.
  for (const event of callEvents) expect(traceAfter("resumed", event)).toBe("resumed");
  expect(unansweredReasons.filter((reason) => unanswered("resumed", reason) === "rejected")).toEqual([]);
});

test("what a call is, and whether it has a key, say whether it can be found again", () => {
  expect(["call", "attach", "list", "cancel"].map((method) => traceOf({ method }))).toEqual([
    "single",
    "follower",
    "question",
    "question",
  ]);
  expect(traceOf({ method: "call", hasKey: true })).toBe("findable");
});

test("every state but the last can be lost, and nothing leads out of the last one", () => {
  expect(wrong(({ state, event, next }) => event !== "lost" || state === "ended" || next === "ended")).toEqual([]);
  expect(wrong(({ state, next }) => state !== "ended" || (next ?? "ended") === "ended")).toEqual([]);
});

test("only what the server has hears of it, and only what the client holds can be sent", () => {
  const heard = new Set(["started", "answered", "interrupted"]);
  const possible = ({ state, next }: { state: CallState; next: unknown }, place: string): boolean =>
    (next !== undefined) === (placeOf(state) === place);
  expect(wrong((pair) => !heard.has(pair.event) || possible(pair, "server"))).toEqual([]);
  expect(wrong((pair) => pair.event !== "sent" || possible(pair, "client"))).toEqual([]);
  expect(wrong(({ event, next }) => event !== "sent" || next === undefined || placeOf(next) === "server")).toEqual([]);
  expect(
    wrong(({ event, next }) => event !== "interrupted" || next === undefined || placeOf(next) !== "server"),
  ).toEqual([]);
});

test("a caller may let go of its handle in every state", () => {
  expect(wrong(({ event, next }) => !["cancel", "outputOver"].includes(event) || next !== undefined)).toEqual([]);
});

test("every state is reached from the first one, and ends from every other", () => {
  const reached = new Set<string>(["queued"]);
  for (const state of reached) {
    for (const pair of pairs) if (pair.state === state && pair.next !== undefined) reached.add(pair.next);
  }
  expect([...reached].sort()).toEqual([...callStates].sort());
});
