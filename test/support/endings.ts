/** The ways in which a run can end, the doors of its caller, and the moments at which a second teller comes. */
import fc from "fast-check";
import { natsServerProgram } from "./nats-server.js";
import { values } from "./programs/outcome-commands.mjs";
import type { Told } from "./told.js";

export const withNats = natsServerProgram !== undefined;
/** One message is the answer. */
const smallAnswers = new Set(["version 1", "NATS request"]);

export const doors = [
  "version 1",
  "version 2",
  "HTTP",
  "MCP",
  "in process",
  "command line",
  ...(withNats ? ["NATS session", "NATS request"] : []),
];
export const followers = doors.filter((door) => door !== "version 1" && door !== "NATS request");
/** They give a sign when they follow. */
export const sureFollowers = followers.filter((door) => door !== "MCP" && door !== "command line");
export const moments = ["before it begins", "while it runs", "after its end", "after a restart"] as const;

export interface Ending {
  readonly command: string;
  readonly args?: (pick: Chosen) => object;
  /** What ends it; default: it ends by itself. */
  readonly by?: "cancel" | "leave" | "replace" | "join";
  readonly expected: Told | ((door: string) => Told);
  readonly message?: (pick: Chosen) => RegExp;
}

const kinds = Object.keys(values).filter((kind) => values[kind]?.refused === undefined);
const refusedKinds = Object.keys(values).filter((kind) => values[kind]?.refused !== undefined);

export const endings: Readonly<Record<string, Ending>> = {
  "a value": { command: "give", args: ({ any }) => ({ kind: one(kinds, any) }), expected: { status: "completed" } },
  "a value that JSON cannot hold": {
    command: "give",
    args: ({ any }) => ({ kind: one(refusedKinds, any) }),
    expected: { status: "failed", code: "failed" },
    message: ({ any }) => values[one(refusedKinds, any)]!.refused!,
  },
  "a value too large for some doors": {
    command: "give",
    args: () => ({ kind: "too large for some doors" }),
    expected: (door) => (smallAnswers.has(door) ? { status: "failed", code: "too_large" } : { status: "completed" }),
  },
  "a value too large for all doors": {
    command: "give",
    args: () => ({ kind: "too large for all doors" }),
    expected: { status: "failed", code: "too_large" },
  },
  "an error": {
    command: "fail",
    args: () => ({ kind: "thrown" }),
    expected: { status: "failed", code: "failed" },
  },
  "an error with a code": {
    command: "fail",
    args: () => ({ kind: "coded" }),
    expected: { status: "failed", code: "busy" },
  },
  "an error with a long message": {
    command: "fail",
    args: () => ({ kind: "long" }),
    expected: { status: "failed", code: "failed" },
  },
  "an exit code": {
    command: "script",
    args: () => ({ how: "exits" }),
    expected: { status: "failed", code: "failed", exitCode: 3 },
  },
  "an exit code of success": {
    command: "accepting",
    args: () => ({ how: "exits" }),
    expected: { status: "completed", exitCode: 3 },
  },
  "a signal": {
    command: "script",
    args: () => ({ how: "shot" }),
    expected: { status: "killed", code: "killed", signal: "SIGKILL" },
  },
  "much output": { command: "script", args: () => ({ how: "much" }), expected: { status: "completed", exitCode: 0 } },
  "too much output": {
    command: "capped",
    args: () => ({ how: "much" }),
    expected: { status: "failed", code: "too_large", truncated: true },
  },
  "output that was cut": {
    command: "cut",
    args: () => ({ how: "much" }),
    expected: { status: "completed", truncated: true },
  },
  "output that stopped it": {
    command: "stopped",
    args: () => ({ how: "much" }),
    expected: { status: "failed", code: "too_large" },
  },
  "a secret in its output": {
    command: "masking",
    args: () => ({ how: "tells", password: "hunter2hunter2" }),
    expected: { status: "completed", masked: true },
  },
  "no JSON": { command: "json", args: () => ({ how: "fine" }), expected: { status: "failed", code: "failed" } },
  "last words": {
    command: "lines",
    args: () => ({ how: "exits" }),
    expected: { status: "failed", code: "failed", exitCode: 3 },
  },
  "its timeout": { command: "slow", expected: { status: "timeout", code: "timeout" } },
  "the timeout of a script": {
    command: "slow_script",
    args: () => ({ how: "waits" }),
    expected: { status: "timeout", code: "timeout" },
  },
  "a cancel": { command: "wait", by: "cancel", expected: { status: "cancelled", code: "cancelled" } },
  "a cancel of a script": {
    command: "script",
    args: () => ({ how: "waits" }),
    by: "cancel",
    expected: { status: "cancelled", code: "cancelled" },
  },
  "a cancel that takes time": {
    command: "script",
    args: () => ({ how: "stays" }),
    by: "cancel",
    expected: { status: "cancelled", code: "cancelled" },
  },
  "a cancel that is not heard": {
    command: "stubborn",
    by: "cancel",
    expected: { status: "cancelled", code: "cancelled" },
  },
  "its caller": { command: "wait", by: "leave", expected: {} },
  "a newer call": { command: "replaced", by: "replace", expected: { status: "cancelled", code: "cancelled" } },
  "a value that another call shares": { command: "joined", by: "join", expected: { status: "completed" } },
  "a refusal: no place": { command: "single", expected: { status: "rejected", code: "busy" } },
  "a refusal: no command": { command: "nowhere", expected: { status: "rejected", code: "command_not_found" } },
  "a refusal: no argument": {
    command: "give",
    args: () => ({}),
    expected: { status: "rejected", code: "invalid_arguments" },
  },
};

export interface Chosen {
  readonly moment: (typeof moments)[number];
  /** Numbers that choose among what there is. */
  readonly any: number;
  readonly follower: number;
  readonly askers: readonly [number, number];
}

export interface Example extends Chosen {
  readonly door: string;
  readonly ending: string;
}

export function one<Value>(list: readonly Value[], any: number): Value {
  return list[any % list.length]!;
}

const natural = fc.nat({ max: 1_000 });
const picks: fc.Arbitrary<Chosen> = fc.record({
  moment: fc.constantFrom(...moments),
  any: natural,
  follower: natural,
  askers: fc.tuple(natural, natural),
});
const pairs = doors.flatMap((door) => Object.keys(endings).map((ending) => ({ door, ending })));

export function examplesOf(count: number): fc.Arbitrary<Example[]> {
  return fc
    .tuple(
      fc.shuffledSubarray(pairs, { minLength: count, maxLength: count }),
      fc.array(picks, { minLength: count, maxLength: count }),
    )
    .map(([chosen, picked]) =>
      Object.assign(
        chosen.map((pair, index) => ({ ...pair, ...picked[index]! })),
        // The error names the one that failed, and the seed gives all of them.
        { [fc.toStringMethod]: () => `${count} examples` },
      ),
    );
}
