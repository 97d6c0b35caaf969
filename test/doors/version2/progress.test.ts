/** Progress, and reports that cannot be told. */
import { describe, expect, test } from "vitest";
import { defineCommand, type CommandContext } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { gate } from "../../support/commands.js";
import { startServer } from "../../support/servers.js";
import * as threadCommands from "./modules/thread-commands.mjs";

watchForLeaks();

test("progress comes with its message, and within 0 and 1", async () => {
  const steps = gate();
  const command = defineCommand({
    name: "steps",
    run: async (args, context) => {
      await steps.command.run({}, context);
      context.progress(0.5, "half");
      context.progress(7);
      return args;
    },
  });
  const client = await (await startServer({ commands: [command] })).client({ protocol: 2 });
  const run = client.run("steps", {});
  const seen: unknown[] = [];
  run.onProgress((...progress) => seen.push(progress));
  await steps.started(1);
  steps.open();
  await run.outcome;
  expect(seen).toEqual([
    [0.5, "half"],
    [1, undefined],
  ]);
});

test("progress that was told before somebody came is told to those who come, the last of it", async () => {
  const steps = gate();
  const command = defineCommand({
    name: "steps",
    run: async (args, context) => {
      context.progress(0.1, "begun");
      context.progress(0.2, "on the way");
      await steps.command.run({}, context);
      return args;
    },
  });
  const client = await (await startServer({ commands: [command] })).client({ protocol: 2 });
  const run = client.run("steps", {});
  const first = new Promise((resolve) => run.onProgress((...progress) => resolve(progress)));
  expect(await first).toEqual([0.2, "on the way"]);
  const watcher = client.attach(await run.id, { offset: 0 });
  const told = new Promise((resolve) => watcher.onProgress((...progress) => resolve(progress)));
  expect(await told).toEqual([0.2, "on the way"]);
  steps.open();
  await run.outcome;
});

describe("progress is a state, and no queue:", () => {
  const chatty = defineCommand({
    name: "chatty",
    run: (_args, { progress }) => {
      for (let step = 1; step <= 200_000; step++) progress(step / 200_000, `step ${step}`);
      return "done";
    },
  });

  test.each([
    ["in the server's thread", chatty],
    ["in a thread of its own", threadCommands.chatty],
  ])("of 200,000 reports %s few are told, and the last one before the end", async (_where, command) => {
    const server = await startServer({ commands: [command] });
    const client = await server.client({ protocol: 2 });
    const run = client.run("chatty", {});
    const seen: unknown[] = [];
    run.onProgress((...progress) => seen.push(progress));
    expect(await run.value).toBe("done");
    expect(seen.at(-1)).toEqual([1, "step 200000"]);
    expect(seen.length).toBeLessThan(1_000);
  });

  test("a message without end is cut", async () => {
    const long = defineCommand({ name: "long", run: (_args, { progress }) => progress(0.5, "x".repeat(1_000_000)) });
    const client = await (await startServer({ commands: [long] })).client({ protocol: 2 });
    const run = client.run("long", {});
    const seen: unknown[] = [];
    run.onProgress((...progress) => seen.push(progress));
    await run.value;
    expect(seen).toEqual([[0.5, `${"x".repeat(1_024)}…`]]);
  });
});

describe("a report that cannot be told is refused where it is made, and its run fails:", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  test.each([
    ["a fraction that is no number", "progress", [Number.NaN], /^progress takes a number from 0 to 1, and not NaN$/],
    ["a fraction that is a text", "progress", ["half"], /^progress takes a number from 0 to 1, and not a string$/],
    ["a message that is no text", "progress", [0.5, circle], /^the message of progress is a text, and not an object$/],
    ["a channel that does not exist", "write", ["out", "x"], /^output\.write takes "stdout" or "stderr" .* not "out"$/],
    ["no channel", "write", [], /^output\.write takes "stdout" or "stderr" .* not undefined$/],
    [
      "what is no text and no bytes",
      "write",
      ["stdout", circle],
      /^output\.write takes a text or a Uint8Array, .* an object$/,
    ],
    ["a number of bytes", "write", ["stdout", 7], /^output\.write takes a text or a Uint8Array, .* a number$/],
  ])("%s", async (_what, how, args, message) => {
    const call = (context: CommandContext): unknown =>
      Reflect.apply(how === "progress" ? context.progress : context.output.write, context.output, args);
    const here = defineCommand({ name: "here", run: (_args, context) => void call(context) });
    const caught = defineCommand({
      name: "caught",
      run: (_args, context) => {
        expect(() => call(context)).toThrow(message);
        return "went on";
      },
    });
    const server = await startServer({ commands: [here, caught, threadCommands.report] });
    const client = await server.client({ protocol: 2 });
    expect(await client.run("here", {}).outcome).toMatchObject({
      status: "failed",
      error: { code: "failed", message: expect.stringMatching(message) },
    });
    expect(await client.call("caught")).toBe("went on");
    if (args.some((arg) => typeof arg === "object")) return;
    expect(await client.run("report", { how, args: JSON.stringify(args) }).outcome).toMatchObject({
      status: "failed",
      error: { code: "failed" },
    });
    expect((await client.runs()).runs.map(({ status }) => status)).not.toContain("rejected");
  });
});
