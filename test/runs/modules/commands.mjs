// @ts-check
/** Commands that run in worker threads, and some of them badly. */
import { threadId } from "node:worker_threads";
// Not all of iscep: to load it takes longer than what a thread does here.
import { defineCommand } from "#iscep/commands/define";
import { IscepError } from "#iscep/errors";

/** @template {string} Name @param {Name} name @param {(args: any, context: import("iscep").CommandContext) => unknown} run */
function inThread(name, run) {
  return defineCommand({ name, thread: import.meta.url, run });
}

export const echo = inThread("echo", (args, { runId, identity, signal }) => ({
  args,
  runId,
  identity,
  aborted: signal.aborted,
  threadId,
}));

/** Blocks its thread until the test lets all go on: args.gate is shared memory. */
export const block = inThread("block", ({ gate }) => {
  Atomics.add(gate, 0, 1);
  Atomics.notify(gate, 0);
  Atomics.wait(gate, 1, 0);
  return threadId;
});

export const spin = inThread("spin", ({ gate }) => {
  Atomics.add(gate, 0, 1);
  for (;;);
});

/** Ends when it is asked to, and says so in args.gate when it has seen why. */
export const polite = inThread("polite", async ({ gate }, { signal }) => {
  const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
  Atomics.add(gate, 0, 1);
  await aborted;
  if (signal.reason instanceof IscepError && signal.reason.message === "enough") Atomics.store(gate, 1, 1);
});

/** Reads one piece, waits for args.gate, and reads the rest. */
export const readSlowly = inThread("read_slowly", async ({ gate }, { stdin }) => {
  const pieces = [];
  for await (const piece of stdin) {
    pieces.push(piece);
    if (gate !== undefined && pieces.length === 1) {
      Atomics.add(gate, 0, 1);
      await new Promise((resolve) => {
        const asked = setInterval(() => Number(Atomics.load(gate, 1)) === 1 && resolve(clearInterval(asked)), 5);
      });
    }
  }
  return Buffer.concat(pieces).toString("latin1");
});

export const leave = inThread("leave", () => process.exit(0));
export const crash = inThread("crash", async () => {
  setImmediate(() => {
    throw new Error("nobody catches this");
  });
  await new Promise(() => {});
});
export const exhaust = inThread("exhaust", () => {
  const all = [];
  for (;;) all.push(Array.from({ length: 100_000 }, () => Math.random()));
});

export const fail = inThread("fail", () => {
  throw Object.assign(new RangeError("too far", { cause: new Error("the cause") }), { code: "EFAR" });
});
export const refuse = inThread("refuse", () => {
  throw new IscepError("invalid_arguments", "not this one", { details: { name: "a" }, cause: new Error("inner") });
});
export const circle = inThread("circle", () => {
  const error = new Error("round");
  error.cause = error;
  throw error;
});
export const text = inThread("text", () => {
  // oxlint-disable-next-line no-throw-literal, typescript/only-throw-error -- people do
  throw "only a text";
});
export const strange = inThread("strange", () => {
  throw Object.create(null);
});
export const func = inThread("func", () => ({ a: 1, call: () => {} }));
export const plain = inThread("plain", () => [null, true, 1.5, "x", { a: [] }]);
