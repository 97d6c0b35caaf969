import process from "node:process";
// Not all of iscep: to load it takes longer than what a thread does here.
import { declareArguments } from "#iscep/commands/arguments/declared-arguments";
import { defineCommand } from "#iscep/commands/define";

export const leave = defineCommand({
  name: "leave",
  thread: import.meta.url,
  run: () => process.exit(3),
});

export const speak = defineCommand({
  name: "speak",
  thread: import.meta.url,
  run: async (_args, { output, progress }) => {
    progress(0.25, "begun");
    for (let line = 0; line < 100; line++) await output.write(line % 2 === 0 ? "stdout" : "stderr", `line ${line} ü\n`);
    void output.write("stdout", "not waited for");
    return "spoken";
  },
});

export const spin = defineCommand({
  name: "spin",
  thread: import.meta.url,
  run: () => {
    for (;;);
  },
});

export const chatty = defineCommand({
  name: "chatty",
  thread: import.meta.url,
  run: (_args, { progress }) => {
    for (let step = 1; step <= 200_000; step++) progress(step / 200_000, `step ${step}`);
    return "done";
  },
});

export const report = defineCommand({
  name: "report",
  thread: import.meta.url,
  /** `args` is JSON. */
  args: declareArguments({ how: { type: "string" }, args: { type: "string" } }),
  run: ({ how, args }, context) =>
    void Reflect.apply(how === "progress" ? context.progress : context.output.write, context.output, JSON.parse(args)),
});
