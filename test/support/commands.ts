/** The tasks of the original's test server (test/vectors/v1.json, `server.tasks`), and commands that misbehave. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { defineCommand } from "iscep";

export const echoTask = defineCommand({
  name: "echo_task",
  description: "Answers with what it was given",
  args: z.object({ message: z.string() }),
  run: ({ message }) => `echo ${message}`,
});

export const add = defineCommand({
  name: "add",
  description: "Adds two whole numbers",
  args: z.object({ a: z.int(), b: z.int() }),
  run: ({ a, b }) => a + b,
});

export const typed = defineCommand({
  name: "typed",
  description: "Answers with its arguments",
  args: z.object({ message: z.string(), numb: z.int() }),
  run: (args) => args,
});

export const noargs = defineCommand({
  name: "noargs",
  description: "Takes nothing",
  args: z.object({}),
  run: () => "ok",
});

function pythonTypeOf(value: unknown): string {
  if (value === null) return "NoneType";
  if (Array.isArray(value)) return "list";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "string":
      return "str";
    case "number":
      return Number.isInteger(value) ? "int" : "float";
    default:
      return "dict";
  }
}

export const any = defineCommand({
  name: "any",
  description: "Takes any value, and tells the name that Python has for its type",
  args: z.object({ value: z.unknown() }),
  run: ({ value }) => ({ value, py: pythonTypeOf(value) }),
});

export const fail = defineCommand({
  name: "fail",
  description: "Throws what it is given",
  args: z.object({ message: z.string() }),
  run: ({ message }): string => {
    throw new TypeError(message);
  },
});

export const sleepTask = defineCommand({
  name: "sleep",
  description: "Waits, and stops when it is told to",
  args: z.object({ seconds: z.number(), tag: z.string() }),
  run: async ({ seconds, tag }, { signal }) => {
    await sleep(seconds * 1_000, undefined, { signal });
    return tag;
  },
});

export const big = defineCommand({
  name: "big",
  description: "Answers with n characters",
  args: z.object({ n: z.int() }),
  run: ({ n }) => "x".repeat(n),
});

export const retnone = defineCommand({
  name: "retnone",
  description: "Returns nothing",
  args: z.object({}),
  run: () => undefined,
});

export const retbytes = defineCommand({
  name: "retbytes",
  description: "Returns what JSON has no form for",
  args: z.object({}),
  run: () => Buffer.from("bytes"),
});

export const retnan = defineCommand({
  name: "retnan",
  description: "Returns what is no JSON number",
  args: z.object({}),
  run: () => Number.NaN,
});

export const sysexit = defineCommand({
  name: "sysexit",
  description: "Raises what ends a Python program",
  args: z.object({}),
  run: (): string => {
    throw new Error("SystemExit");
  },
});

/** They are in the order in which the original lists them. */
export const originalTasks = [
  echoTask,
  add,
  typed,
  noargs,
  any,
  fail,
  sleepTask,
  big,
  retnone,
  retbytes,
  retnan,
  sysexit,
] as const;

/** A command whose runs a test can see begin, and lets go on when it wants. */
export function gate(name = "gate") {
  const waiting: (() => void)[] = [];
  const begun: (() => void)[] = [];
  const state = { started: 0, ended: 0, aborted: 0 };
  const command = defineCommand({
    name,
    description: "Waits until the test lets it go",
    args: z.object({ tag: z.string().optional() }),
    run: async ({ tag }, { signal }) => {
      state.started++;
      for (const notify of begun.splice(0)) notify();
      signal.addEventListener("abort", () => state.aborted++);
      await new Promise<void>((resolve, reject) => {
        waiting.push(resolve);
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      });
      state.ended++;
      return tag ?? "through";
    },
  });
  return {
    command,
    state,
    async started(count: number): Promise<void> {
      while (state.started < count) await new Promise<void>((resolve) => begun.push(resolve));
    },
    open(): void {
      for (const go of waiting.splice(0)) go();
    },
  };
}
