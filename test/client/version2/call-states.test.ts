/** Every state of a client's call with every event: the table says what follows, and this walks through all of it. */
import { expect, test } from "vitest";
import { callEvents, callStates, placeOf, stateAfter, type CallState } from "#iscep/client/version2/call-states";

const pairs = callStates.flatMap((state) =>
  callEvents.map((event) => ({ state, event, next: stateAfter(state, event) })),
);

test("each pair leads where it is known to lead, or cannot be", () => {
  const lines = callStates.map((state) => {
    const changes = callEvents.map((event) => `${event} ${stateAfter(state, event) ?? "-"}`);
    return `${state} (${placeOf(state)}): ${changes.join(", ")}`;
  });
  expect(lines).toEqual([
    "queued (client): sent sent, started -, answered -, outputOver queued, cancel ended, abandon ended, interrupted -, lost ended",
    "sent (server): sent -, started started, answered draining, outputOver sent, cancel stopping, abandon abandoned, interrupted away, lost ended",
    "started (server): sent -, started started, answered draining, outputOver started, cancel stopping, abandon abandoned, interrupted away, lost ended",
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
  return pairs.filter((pair) => !is(pair)).map(({ state, event, next }) => `${state} ${event} ${next}`);
}

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
