/** A runs folder may be large, and its disk slow. Who reads it holds a lock, and must show meanwhile that it lives. */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { defaultLimits } from "iscep";
import { withFileLock } from "#iscep/files/file-lock";
import { FoundRuns } from "#iscep/journal/found-runs";
import { openRuns } from "#iscep/journal/open-runs";
import { silentLogs } from "#iscep/logs/combine";
import { readHistory } from "#iscep/logs/history";
import type { ErrorEvent } from "#iscep/model/logs";
import { later } from "../support/cleanup.js";
import { errorOf } from "../support/error-of.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const start = {
  command: "speak",
  owner: "alice",
  tokenId: null,
  source: "unix",
  start: "2026-01-01T00:00:00.000Z",
  time: "2026-01-01T00:00:00.000Z",
  startedAtMs: 1,
  server: "gone",
  status: "running",
};

function idOf(number: number): string {
  return `01900000-0000-7000-8000-${String(number).padStart(12, "0")}`;
}

function stepsOf(steps: Iterator<undefined>): number {
  let count = 0;
  while (steps.next().done !== true) count++;
  return count;
}

test("the event loop turns while the lock of the folder is held, between steps that take long", async () => {
  const folder = path.join(temporaryFolder(), "runs");
  mkdirSync(folder);
  const lines = [1, 2, 3].map((number) => `${JSON.stringify({ ...start, runId: idOf(number) })}\n`);
  writeFileSync(path.join(folder, "commands.log"), lines.join(""));
  let turns = 0;
  const timer = setInterval(() => (turns += existsSync(path.join(folder, "opening.lock")) ? 1 : 0), 1);
  later(() => clearInterval(timer));
  const found: string[] = [];
  const runs = await openRuns(folder, defaultLimits, undefined, ({ run }) => {
    found.push(run);
    for (const sinceMs = performance.now(); performance.now() - sinceMs < 60;);
  });
  later(() => runs.close());
  expect(found.sort()).toEqual([1, 2, 3].map(idOf));
  expect(turns).toBeGreaterThanOrEqual(2);
  expect(existsSync(path.join(folder, "opening.lock"))).toBe(false);
});

test.skipIf(process.platform !== "linux")("a folder that cannot be opened leaves nothing open", async () => {
  const folder = path.join(temporaryFolder(), "runs");
  mkdirSync(folder);
  // Another container is opening it.
  writeFileSync(path.join(folder, "opening.lock"), "1-1-00000000-0123456789abcdef");
  const limits = { ...defaultLimits, fileLockTimeoutMs: 20 };
  const descriptors = (): number => readdirSync("/proc/self/fd").length;
  const refused = async (): Promise<void> => {
    expect((await errorOf(openRuns(folder, limits, undefined, () => {}))).code).toBe("busy");
  };
  // What is opened once for the whole process is open then.
  await refused();
  const before = descriptors();
  for (let count = 0; count < 3; count++) await refused();
  // Something else in this process may just read a file.
  await expect.poll(descriptors).toBeLessThanOrEqual(before);
});

test("a step is the file of one run, one file of output, one line of the log, or a part of the log", () => {
  const folder = temporaryFolder();
  for (let number = 0; number < 5; number++) {
    writeFileSync(path.join(folder, `${idOf(number)}.run`), `${JSON.stringify({ ...start, run: idOf(number) })}\n`);
    writeFileSync(path.join(folder, `${idOf(number)}.${"0".repeat(16)}.out`), "");
  }
  const ids: string[] = [];
  expect(stepsOf(new FoundRuns(folder).all(({ start: { run } }) => ids.push(run)))).toBe(10);
  expect(ids).toEqual([0, 1, 2, 3, 4].map(idOf));
  const log = path.join(folder, "commands.log");
  for (let number = 0; number < 20; number++)
    appendFileSync(log, `${JSON.stringify({ ...start, runId: idOf(number), args: "x".repeat(200_000) })}\n`);
  expect(stepsOf(readHistory(log, 16 * 1024 * 1024))).toBe(20 + 4);
});

test("the end of a lost run is written when the lock is free at last", async () => {
  const folder = path.join(temporaryFolder(), "runs");
  mkdirSync(folder, { mode: 0o700 });
  const file = path.join(folder, `${idOf(1)}.run`);
  writeFileSync(file, `${JSON.stringify({ ...start, run: idOf(1) })}\n`);
  const limits = { ...defaultLimits, fileLockTimeoutMs: 20, otherServersIntervalMs: 20, logProblemIntervalMs: 0 };
  const problems: string[] = [];
  const logs = { ...silentLogs, error: ({ message }: ErrorEvent) => void problems.push(message) };
  const lost: string[] = [];
  const runs = await openRuns(folder, limits, logs, ({ run }) => void lost.push(run));
  later(() => runs.close());
  await withFileLock(path.join(folder, "opening"), 1_000, () => until(() => problems.length > 1));
  expect(problems).toContainEqual(expect.stringMatching(/cannot be written now/));
  await until(() => lost.length > 0);
  expect(lost).toEqual([idOf(1)]);
  expect(readFileSync(file, "utf8")).toContain('"status":"lost"');
});
