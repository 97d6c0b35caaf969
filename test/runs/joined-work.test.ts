/** Work that several runs share, of which one is lost because it cannot read what it missed. */
import { readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defineCommand } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { RunStore } from "#iscep/journal/store";
import { resolveLimits } from "#iscep/limits/limits";
import { anonymous } from "#iscep/model/identity";
import { IscepError } from "#iscep/errors";
import { later } from "../support/cleanup.js";
import { watchForLeaks } from "../support/leaks.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

watchForLeaks();

const identity = { ...anonymous, owner: "alice", mayRun: () => true };
const callOptions = { source: "", detached: true };

/** Work that goes on until it is stopped. A second run joined it, and was lost because the first output is gone. */
async function sharedWork() {
  const folder = temporaryFolder();
  const limits = resolveLimits({ maxRetainedOutputBytes: 1024, streamWindowBytes: 1024 });
  const store = await RunStore.open({ folder, limits, onProblem: () => {} });
  const signals: AbortSignal[] = [];
  const talk = defineCommand({
    name: "talk",
    concurrency: { limit: 1, whenFull: "join" },
    run: async (_, { output, signal }) => {
      for (let piece = 0; piece < 100; piece++) await output.write("stdout", "x".repeat(1_000));
      signals.push(signal);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const dispatcher = new Dispatcher({ registry: new Registry([talk]), limits, store });
  later(async () => {
    await dispatcher.close(0);
    await store.close();
  });
  const first = dispatcher.start(identity, "talk", {}, { ...callOptions, idempotencyKey: "first" });
  const files = (): string[] =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".out"))
      .map((name) => path.join(folder, name));
  await until(() => signals.length > 0 && first.output.inMemoryFrom > 0);
  for (const file of files()) rmSync(file);
  const joined = dispatcher.start(identity, "talk", {}, callOptions);
  await until(() => joined.outcome !== undefined);
  expect(joined.outcome).toMatchObject({ status: "lost" });
  expect([first.outcome, signals[0]?.aborted, dispatcher.activeRuns]).toEqual([undefined, false, 1]);
  return { dispatcher, first, signals };
}

describe("a run that joined and cannot read what it missed is lost, and wants the work no more", () => {
  test.each(["cancelled", "timeout"] as const)("so it ends when its first caller has left (%s)", async (code) => {
    const { dispatcher, first, signals } = await sharedWork();
    first.abort(new IscepError(code));
    await until(() => dispatcher.activeRuns === 0);
    expect([first.outcome?.status, signals[0]?.aborted]).toEqual([code, true]);
  });

  test("so the next call begins anew when the first caller has left", async () => {
    const { dispatcher, first, signals } = await sharedWork();
    first.abort(new IscepError("cancelled"));
    const next = dispatcher.start(identity, "talk", {}, callOptions);
    await until(() => signals.length === 2);
    next.abort(new IscepError("cancelled"));
    await until(() => dispatcher.activeRuns === 0);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test("so a closing server stops it", async () => {
    const { dispatcher, first, signals } = await sharedWork();
    await dispatcher.close(0);
    expect([dispatcher.activeRuns, first.outcome?.status, signals[0]?.aborted]).toEqual([0, "cancelled", true]);
  });
});
