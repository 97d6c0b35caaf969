// Commands that take their time, for the tests of live output. A test lets them go on by a file, which no clock can miss.
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { declareArguments, defineCommand, defineScript } from "iscep";

/** @param {string} file @param {AbortSignal} signal */
async function until(file, signal) {
  while (!existsSync(file) && !signal.aborted) await sleep(5);
}

export const live = [
  defineCommand({
    name: "talk",
    description: "Says something, waits for a file, and says more",
    args: declareArguments({ file: { type: "string" } }),
    run: async ({ file }, context) => {
      await context.output.write("stdout", "first\n");
      context.progress(0.42, "waiting for \u001b[31mthe file\u001b[m");
      await context.output.write("stderr", "aside\n");
      await until(file, context.signal);
      await context.output.write("stdout", "second\n");
      return "value";
    },
  }),
  defineCommand({
    name: "bytes",
    description: "Writes each byte there is, in pieces of a size",
    args: declareArguments({ piece: { type: "integer" } }),
    run: async ({ piece }, { output }) => {
      const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
      for (let at = 0; at < 256; at += piece) await output.write("stdout", all.subarray(at, at + piece));
    },
  }),
  defineCommand({
    name: "steering",
    description: "Writes what steers a terminal, cut within characters and line ends",
    run: async (_, { output }) => {
      const all = Buffer.from("\u001b]0;title\u0007é\r\n中\u009b31m\r\n");
      for (const byte of all) await output.write("stdout", Buffer.of(byte));
    },
  }),
  defineCommand({
    name: "paint",
    description: "Writes a progress bar, and leaves its colour on",
    run: async (_, { output }) => {
      for (const piece of ["\r 10%", "\r 50%", "\r\u001b", "[K\u001b[3", "2mdone\r\n"])
        await output.write("stdout", piece);
    },
  }),
  defineCommand({
    name: "forever",
    description: "Ends when it is told to",
    run: (_, { output, signal }) =>
      new Promise((resolve) => {
        void output.write("stdout", "ready\n");
        signal.addEventListener("abort", () => resolve("told"), { once: true });
      }),
  }),
  defineScript({ name: "echo", run: ["/bin/cat"], stdin: true }),
  defineScript({ name: "deaf", run: ["/bin/echo", "done"] }),
  defineScript({ name: "much", run: ["/bin/sh", "-c", "head -c 1500000 /dev/zero | tr '\\0' x"] }),
  defineScript({ name: "too_much", run: ["/bin/sh", "-c", "printf 123456789"], maxOutputBytes: 5 }),
  defineScript({
    name: "cut_short",
    run: ["/bin/sh", "-c", "printf 123456789"],
    maxOutputBytes: 5,
    whenOutputIsFull: "truncate",
  }),
  defineScript({ name: "answers", run: ["/bin/sh", "-c", "echo thinking >&2; echo '[1, 2]'"], output: "json" }),
  defineScript({ name: "exits", run: ["/bin/sh", "-c", "printf out; printf err >&2; exit 3"] }),
  defineScript({ name: "dies", run: ["/bin/sh", "-c", "kill -KILL $$"] }),
];
