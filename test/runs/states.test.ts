/** Every event in every state of a run, and of its work, with a real run: what the tables say happens, and nothing else does. */
import { describe, expect, test } from "vitest";
import { defineCommand } from "#iscep/commands/define";
import { IscepError } from "#iscep/errors";
import { defaultLimits } from "#iscep/limits/limits";
import { anonymous } from "#iscep/model/identity";
import { rejected, stopped } from "#iscep/runs/run/endings";
import { packetRoom } from "#iscep/runs/run/settle";
import { Run, type RunHost } from "#iscep/runs/run/run";
import {
  runStates,
  workStates,
  type RunEvent,
  type RunState,
  type WorkEvent,
  type WorkState,
} from "#iscep/runs/run/states";
import { Work, type WorkHost } from "#iscep/runs/run/work";

const command = defineCommand({ name: "backup", run: () => 1 });
const reason = new IscepError("cancelled", "no longer wanted");
const states = Object.keys(runStates) as RunState[];
const events = Object.keys(runStates.checking) as RunEvent[];

/** A run, and what was told of it. */
function newRun() {
  const told: string[] = [];
  const host: RunHost & WorkHost = {
    limits: defaultLimits,
    room: packetRoom(defaultLimits),
    ends: (_run, { status }) => void told.push(`journal: ${status}`),
    abandoned: () => {
      told.push("abandoned");
      return undefined;
    },
    unwanted: () => void told.push("unwanted"),
  };
  const run = new Run("backup", anonymous, "127.0.0.1", host);
  const work = new Work(run, command, {}, 60_000, host);
  run.work = work;
  run.follow({ ended: ({ status }) => void told.push(`follower: ${status}`) });
  const happen: Record<RunEvent, () => void> = {
    waits: () => work.wait(),
    begins: () => void work.begin(),
    stops: () => run.abort(reason),
    ends: () => run.end({ status: "completed", value: undefined }),
  };
  return { run, work, told, happen };
}

const wayTo: Record<RunState, readonly RunEvent[]> = {
  checking: [],
  waiting: ["waits"],
  running: ["begins"],
  ending: ["begins", "stops"],
  ended: ["ends"],
};

describe.each(states)("a run that is %s", (state) => {
  test.each(events)("%s", (event) => {
    const { run, work, told, happen } = newRun();
    for (const step of wayTo[state]) happen[step]();
    expect(run.state).toBe(state);
    told.length = 0;
    happen[event]();
    const next = runStates[state][event];
    expect(run.state).toBe(next ?? state);
    expect(run.outcome !== undefined).toBe(run.state === "ended");
    // It is told to the journal first, to each follower once, and to nobody where it had an outcome already.
    const expected: Partial<Record<RunEvent, string[]>> = {
      stops: ["unwanted"],
      ends: ["journal: completed", "follower: completed"],
    };
    expect(told).toEqual(next === undefined ? [] : (expected[event] ?? []));
    expect(work.signal.aborted).toBe(run.state === "ending" || state === "ending");
  });
});

const wayToWork: Record<WorkState, readonly WorkEvent[]> = {
  waiting: [],
  running: ["begins"],
  stopping: ["begins", "stops"],
  over: ["begins", "ends"],
};

describe.each(Object.keys(workStates) as WorkState[])("work that is %s", (state) => {
  test.each(Object.keys(workStates.waiting) as WorkEvent[])("%s", (event) => {
    const { run, work, told } = newRun();
    const results: unknown[] = [];
    const happen: Record<WorkEvent, () => void> = {
      begins: () => results.push(work.begin()),
      stops: () => run.abort(reason),
      ends: () => work.end({ status: "completed", value: undefined }),
    };
    for (const step of wayToWork[state]) happen[step]();
    expect(work.state).toBe(state);
    const outcome = run.outcome?.status;
    told.length = results.length = 0;
    happen[event]();
    const next = workStates[state][event];
    const isNow = next ?? state;
    expect(work.state).toBe(isNow);
    expect(results).toEqual(event === "begins" ? [next !== undefined] : []);
    expect(run.state).toBe({ waiting: "checking", running: "running", stopping: "ending", over: "ended" }[isNow]);
    // Only the first outcome counts. In follow.test.ts, a run that waits for a slow reader leaves work that is over.
    expect(run.outcome?.status).toBe(outcome ?? (isNow === "over" ? "completed" : undefined));
    const expected: Record<WorkEvent, string[]> = {
      begins: [],
      stops: ["unwanted"],
      ends: ["journal: completed", "follower: completed"],
    };
    expect(told).toEqual(next === undefined ? [] : expected[event]);
    expect(work.isClosed).toBe(isNow === "stopping" || isNow === "over");
    expect(work.isSettled).toBe(isNow === "over");
    expect([work.signal.aborted, work.abortReason !== undefined]).toEqual(
      Array(2).fill(state === "stopping" || isNow === "stopping"),
    );
  });
});

test.each([
  [runStates, "ended"],
  [workStates, "over"],
])(
  "no state leads back, and every one leads to an end",
  (table: Record<string, Record<string, string | undefined>>, end) => {
    const order = Object.keys(table);
    for (const [from, follows] of Object.entries(table)) {
      for (const to of Object.values(follows)) {
        if (to !== undefined) expect(order.indexOf(to)).toBeGreaterThan(order.indexOf(from));
      }
      expect(follows["ends"]).toBe(from === end ? undefined : end);
    }
  },
);

test("one whose arguments are still looked at ends as soon as it is asked to stop", () => {
  const { run, told } = newRun();
  run.work = undefined;
  run.abort(reason);
  expect([run.state, run.outcome]).toEqual(["ended", stopped(reason)]);
  run.end(rejected(new IscepError("invalid_arguments")));
  expect(told).toEqual(["journal: cancelled", "follower: cancelled"]);
});

test("what begins too late does not begin, and what ends too late tells nothing", () => {
  const { run, work, told } = newRun();
  work.wait();
  run.abort(reason);
  run.end(stopped(reason));
  expect(work.begin()).toBe(false);
  work.end({ status: "completed", value: undefined });
  expect(told).toEqual(["unwanted", "journal: cancelled", "follower: cancelled"]);
});

test("work that several want goes on until the last one leaves, each with an outcome of its own", () => {
  const { run, work, told } = newRun();
  const others = [1, 2].map(() => newRun().run);
  work.begin();
  for (const other of others) work.join(other);
  void work.write("stdout", "one ");
  run.abort(reason);
  expect([run.state, run.outcome?.status, run.outputBytes]).toEqual(["ended", "cancelled", 4]);
  void work.write("stdout", "two");
  expect(others.map(({ state, outputBytes }) => [state, outputBytes])).toEqual([
    ["running", 7],
    ["running", 7],
  ]);
  expect([run.outputBytes, work.signal.aborted]).toEqual([4, false]);
  others[0]?.abort(reason);
  expect(work.signal.aborted).toBe(false);
  others[1]?.abort(reason);
  expect(work.signal.aborted).toBe(true);
  expect(told.filter((word) => word === "unwanted")).toHaveLength(1);
  expect(others.map(({ state }) => state)).toEqual(["ended", "ending"]);
  work.end({ status: "cancelled", error: reason });
  expect(others.map(({ state }) => state)).toEqual(["ended", "ended"]);
});
