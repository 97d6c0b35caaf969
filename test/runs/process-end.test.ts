import { existsSync } from "node:fs";
import path from "node:path";
import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { IscepError } from "#iscep/errors";
import { createRunId } from "#iscep/runs/run/run-id";
import { watchForLeaks } from "../support/leaks.js";
import { node, run, shell } from "../support/scripts.js";
import { expectGone, processesOf } from "../support/processes.js";
import { appears, until } from "../support/until.js";

watchForLeaks();

/** As the longest deadline of the tests' runner is shorter: a wait for it would show. */
const never = 600_000;

test("a timeout ends it, and the outcome says so", async () => {
  const runId = createRunId();
  const outcome = await run(shell("exec sleep 300"), { runId, timeoutMs: 50 });
  expect(outcome).toMatchObject({ status: "timeout", error: { code: "timeout" } });
  expect("error" in outcome && outcome.error.message).toContain("50 ms");
  await expectGone(runId);
});

test("a cancel ends it, and the reason is the outcome's error", async () => {
  const runId = createRunId();
  const command = shell("touch ready; exec sleep 300");
  const controller = new AbortController();
  const ended = run(command, { runId, signal: controller.signal });
  await appears(path.join(command.folder, "ready"));
  const reason = new IscepError("cancelled", "because");
  controller.abort(reason);
  expect(await ended).toStrictEqual({ status: "cancelled", error: reason });
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
  await expectGone(runId);
});

test("an abort by somebody's timeout is a timeout, and one without a reason of ours a cancel", async () => {
  const late = new IscepError("timeout", "late");
  for (const [reason, expected] of [
    [late, { status: "timeout", error: late }],
    [new Error("other"), { status: "cancelled", error: { code: "cancelled" } }],
  ] as const) {
    const command = shell("touch ready; exec sleep 300");
    const controller = new AbortController();
    const ended = run(command, { signal: controller.signal });
    await appears(path.join(command.folder, "ready"));
    controller.abort(reason);
    expect(await ended).toMatchObject(expected);
  }
});

test("what was cancelled before is never started", async () => {
  const command = shell("touch started");
  const signal = AbortSignal.abort(new IscepError("cancelled"));
  expect(await run(command, { signal })).toMatchObject({ status: "cancelled" });
  expect(existsSync(path.join(command.folder, "started"))).toBe(false);
});

test("it may clean up when it is told to end, and is still a cancelled one if it exits with 0", async () => {
  const command = node(`
    process.on("SIGTERM", () => { require("fs").writeFileSync("cleaned", ""); process.exit(0); });
    setInterval(() => {}, 1000);
    require("fs").writeFileSync("ready", "");`);
  const controller = new AbortController();
  const ended = run(command, { signal: controller.signal, limits: { killGraceMs: never } });
  await appears(path.join(command.folder, "ready"));
  controller.abort(new IscepError("cancelled"));
  expect(await ended).toMatchObject({ status: "cancelled" });
  expect(existsSync(path.join(command.folder, "cleaned"))).toBe(true);
});

test("who ignores the signal is killed", async () => {
  const runId = createRunId();
  const command = shell("trap '' TERM; touch ready; while :; do sleep 1; done");
  const controller = new AbortController();
  const ended = run(command, { runId, signal: controller.signal, limits: { killGraceMs: 50 } });
  await appears(path.join(command.folder, "ready"));
  controller.abort(new IscepError("cancelled"));
  expect(await ended).toMatchObject({ status: "cancelled" });
  await expectGone(runId);
});

test("a child of the script may use the time to end too, though the script itself is gone", async () => {
  const command = shell(`
    sh -c 'trap "sleep 0.2; touch cleaned; exit" TERM; touch ready; while :; do sleep 0.05; done' >/dev/null 2>&1 &
    wait`);
  const controller = new AbortController();
  const ended = run(command, { signal: controller.signal, limits: { killGraceMs: never } });
  await appears(path.join(command.folder, "ready"));
  controller.abort(new IscepError("cancelled"));
  await ended;
  expect(existsSync(path.join(command.folder, "cleaned"))).toBe(true);
});

test.each([
  ["holds the pipes", ""],
  ["holds nothing", ">/dev/null 2>&1"],
])("a grandchild that ignores the signal and %s is killed with its group", async (_what, redirection) => {
  const runId = createRunId();
  const command = shell(`
    (trap '' TERM; touch ready; sleep 300 & wait; sleep 300) ${redirection} &
    exec sleep 300`);
  const controller = new AbortController();
  const ended = run(command, { runId, signal: controller.signal, limits: { killGraceMs: 100, pipeGraceMs: never } });
  await appears(path.join(command.folder, "ready"));
  // One that begins another program at this moment shows no variables.
  await until(() => processesOf(runId).length > 1, "the grandchild is not there");
  controller.abort(new IscepError("cancelled"));
  expect(await ended).toMatchObject({ status: "cancelled" });
  await expectGone(runId);
});

test("a daemon that left the group and holds the pipes ends too", async () => {
  const runId = createRunId();
  const command = node(`
    const child = require("child_process").spawn("sleep", ["300"], { detached: true, stdio: "inherit" });
    require("fs").writeFileSync("pid", String(child.pid));
    require("fs").renameSync("pid", "ready");
    setInterval(() => {}, 1000);`);
  const controller = new AbortController();
  const ended = run(command, { runId, signal: controller.signal, limits: { killGraceMs: 50, pipeGraceMs: 50 } });
  await appears(path.join(command.folder, "ready"));
  controller.abort(new IscepError("cancelled"));
  expect(await ended).toMatchObject({ status: "cancelled" });
  expect(processesOf(runId)).toStrictEqual([]);
});

test("output without end is stopped like anything else", async () => {
  const runId = createRunId();
  const outcome = await run(shell("yes; yes"), { runId, timeoutMs: 100, limits: { maxRunOutputBytes: 1_000 } });
  expect(outcome).toMatchObject({ status: "timeout" });
  await expectGone(runId);
});

test("twenty cancelled at different moments leave no process, also where it had not begun", async () => {
  const command = shell("sleep 300 & trap '' TERM; sleep 300");
  const runIds = Array.from({ length: 20 }, () => createRunId());
  const outcomes = await Promise.all(
    runIds.map((runId, n) => run(command, { runId, timeoutMs: n * 3, limits: { killGraceMs: 50 } })),
  );
  expect(outcomes.map((outcome) => outcome.status)).toStrictEqual(runIds.map(() => "timeout"));
  await Promise.all(runIds.map((runId) => expectGone(runId)));
});
