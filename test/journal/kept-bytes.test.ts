/** What is kept of ended runs in memory is bounded in bytes: beyond that they are read from files, or are gone without these. */
import path from "node:path";
import { expect, test } from "vitest";
import { z } from "zod";
import { defaultLimits, defineCommand } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { anonymous } from "#iscep/model/identity";
import type { Run } from "#iscep/runs/run/run";
import { watchForLeaks } from "../support/leaks.js";
import { errorOf } from "../support/error-of.js";
import { collect, patternBytes } from "../support/output.js";
import { startServer } from "../support/servers.js";
import { reader, storedRun } from "../support/stored-run.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

const KiB = 1024;

const make = defineCommand({
  name: "make",
  args: z.object({ value: z.int(), output: z.int() }),
  run: async ({ value, output }, context) => {
    await context.output.write("stdout", patternBytes(0, output));
    return "v".repeat(value);
  },
});

async function open(keepsFiles: boolean) {
  const limits = { maxKeptRunsBytes: 1024 * KiB };
  const files = keepsFiles ? { runsFolder: path.join(temporaryFolder(), "runs") } : {};
  const server = await startServer({ commands: [make], limits, ...files });
  const client = await server.client({ protocol: 2 });
  const many = async (args: { readonly value: number; readonly output: number }): Promise<string[]> => {
    const ids: string[] = [];
    for (let run = 0; run < 30; run++) {
      const { id, outcome } = client.run("make", args);
      ids.push(await id);
      expect(await outcome).toMatchObject({ status: "completed" });
    }
    return ids;
  };
  return { client, many };
}

test("output that was dropped takes no memory, though a client that reads no further still has its run", async () => {
  const limits = { ...defaultLimits, maxKeptRunsBytes: 1024 * KiB };
  const dispatcher = new Dispatcher({ registry: new Registry([make]), limits });
  const identity = { ...anonymous, owner: "alice", mayRun: () => true };
  const runs: Run[] = [];
  for (let count = 0; count < 30; count++) {
    const run = dispatcher.start(identity, "make", { value: 1, output: 200 * KiB }, { source: "unix", kept: true });
    await new Promise<unknown>((resolve) => run.whenEnded(resolve));
    runs.push(run);
  }
  const bytes = runs.reduce((sum, { output }) => sum + output.memoryBytes, 0);
  expect(bytes).toBeLessThanOrEqual(limits.maxKeptRunsBytes);
  expect(bytes).toBeGreaterThan(0);
  await dispatcher.close(0);
});

test.each([
  ["values", { value: 100 * KiB, output: 10 }],
  ["output", { value: 10, output: 200 * KiB }],
])("without files the oldest %s are gone, and say so; the newest are there", async (_what, args) => {
  const { client, many } = await open(false);
  const ids = await many(args);
  const newest = client.attach(ids.at(-1)!);
  expect(await newest.value).toHaveLength(args.value);
  expect((await collect(newest)).all.equals(patternBytes(0, args.output))).toBe(true);
  expect(await errorOf(client.attach(ids[0]!, { offset: args.output }).value)).toMatchObject({ code: "value_gone" });
  expect(await errorOf(client.attach(ids[0]!).value)).toMatchObject({ code: "output_gone" });
  // The list still has all of them.
  expect((await client.runs()).runs.map(({ run }) => run).toSorted()).toEqual(ids.toSorted());
});

test.each([
  ["values", { value: 100 * KiB, output: 10 }],
  ["output", { value: 10, output: 200 * KiB }],
])("with files all %s are there, whoever asks and however often", async (_what, args) => {
  const { client, many } = await open(true);
  const ids = await many(args);
  for (const id of [...ids, ...ids]) {
    const watchers = [1, 2, 3].map(() => client.attach(id));
    for (const watcher of watchers) {
      expect(await watcher.value).toHaveLength(args.value);
      expect((await collect(watcher)).all.equals(patternBytes(0, args.output))).toBe(true);
    }
  }
});

test("files that a reader still needed go when that reader does, though nothing more is written", async () => {
  const limits = { ...defaultLimits, maxRunsFolderBytes: 2_000, outputSegmentBytes: 100 };
  const { store, run } = await storedRun(path.join(temporaryFolder(), "runs"), limits);
  store.begin(run);
  const slow = reader(run, 10);
  for (let piece = 1; piece <= 10; piece++) {
    void run.output.write("stdout", "x".repeat(500));
    await until(() => store.size.bytes > piece * 500);
  }
  slow.leave();
  expect(store.size.bytes).toBeLessThan(2_000);
});
