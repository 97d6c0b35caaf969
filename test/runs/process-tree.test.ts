/**
 * What a script has started ends with it when it is stopped, wherever it went. PITFALLS D25: a grandchild that keeps the
 * pipe open, a daemon, `sleep 300 &` inside a script, a zombie.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { IscepError } from "#iscep/errors";
import { limitTable } from "#iscep/limits/limits";
import { endProcessesOfRuns } from "#iscep/runs/script/end";
import { isSameProcess, scanProcesses } from "#iscep/runs/script/scan";
import { createRunId } from "#iscep/runs/run/run-id";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";
import { rounds } from "../support/rounds.js";
import { run, shell } from "../support/scripts.js";
import { processesOf } from "../support/processes.js";
import { appears, until } from "../support/until.js";

watchForLeaks();

/** Runs the lines, cancels when they have made the file `ready`, and gives the time from there to the outcome. */
async function cancelled(
  lines: string,
  limits: { killGraceMs: number },
): Promise<{ runId: string; tookMs: number; folder: string }> {
  const runId = createRunId();
  const command = shell(lines);
  const controller = new AbortController();
  const ended = run(command, { runId, signal: controller.signal, limits });
  await appears(path.join(command.folder, "ready"));
  const fromMs = performance.now();
  controller.abort(new IscepError("cancelled"));
  expect(await ended).toMatchObject({ status: "cancelled" });
  return { runId, tookMs: performance.now() - fromMs, folder: command.folder };
}

describe("a cancel ends", () => {
  test.each([
    ["in the script's own group", "sleep 300 & touch ready; wait"],
    ["that left the group by setsid", "setsid sleep 300 & touch ready; wait"],
    ["that left it, and holds no pipe", "setsid sleep 300 >/dev/null 2>&1 </dev/null & touch ready; wait"],
    [
      "that forked twice, and has no parent any more",
      "(setsid sh -c 'sleep 300 & sleep 300' &) ; touch ready; sleep 300",
    ],
    ["without the run's variable, in the group", "env -i sleep 300 & touch ready; wait"],
    ["without the run's variable, outside the group", "env -i /usr/bin/setsid /bin/sleep 300 & touch ready; wait"],
  ])("a grandchild %s, before the time to be killed", async (_where, lines) => {
    const { runId, folder } = await cancelled(lines, { killGraceMs: 600_000 });
    expect(processesOf(runId)).toStrictEqual([]);
    expectNobodyIn(folder);
  });

  test.each([
    ["in the group", ""],
    ["outside it", "setsid "],
    ["outside it, without the run's variable", "env -i PATH=/usr/bin:/bin setsid "],
  ])("a grandchild %s that ignores the signal, after the grace", async (_where, prefix) => {
    const { runId, tookMs, folder } = await cancelled(
      `${prefix}sh -c "trap '' TERM; touch ready; while :; do sleep 1; done" & wait`,
      { killGraceMs: 300 },
    );
    expect(tookMs).toBeGreaterThan(250);
    expect(processesOf(runId)).toStrictEqual([]);
    expectNobodyIn(folder);
  });

  test("what a grandchild that nobody knows by its variable forks while it is ended", async () => {
    const { folder } = await cancelled(
      `env -i PATH=/usr/bin:/bin setsid sh -c "trap '' TERM; touch ready; while :; do sleep 20 & sleep 0.002; done" & wait`,
      { killGraceMs: 100 },
    );
    expectNobodyIn(folder);
  });

  test("a grandchild outside the group after it has cleaned up", async () => {
    const { folder } = await cancelled(
      "setsid sh -c 'trap \"sleep 0.2; touch cleaned; exit\" TERM; touch ready; while :; do sleep 0.02; done' & wait",
      { killGraceMs: 600_000 },
    );
    expect(existsSync(path.join(folder, "cleaned"))).toBe(true);
  });

  test("and tells nobody twice, as some take a second signal for haste", async () => {
    // Half a second later it ends by itself, whatever else was told meanwhile.
    const { folder } = await cancelled(
      "setsid sh -c 'trap \"echo told >>told\" TERM; touch ready; until [ -e told ]; do sleep 0.02; done; i=0; while [ $i -lt 25 ]; do sleep 0.02; i=$((i+1)); done' & wait",
      { killGraceMs: 600_000 },
    );
    expect(readFileSync(path.join(folder, "told"), "utf8")).toBe("told\n");
  });

  test("no other run's processes, nor those of nobody", async () => {
    const other = await background(createRunId());
    const nobody = await background(undefined);
    await cancelled("setsid sleep 300 & touch ready; wait", { killGraceMs: 100 });
    for (const child of [other, nobody]) {
      expect(child.exitCode).toBeNull();
      expect(child.signalCode).toBeNull();
    }
  });
});

test("a signal from elsewhere that ends the script ends the rest of it", async () => {
  const runId = createRunId();
  const outcome = await run(shell("setsid sleep 300 & sleep 300 & kill -KILL $$"), { runId });
  expect(outcome).toMatchObject({ status: "killed", signal: "SIGKILL" });
  expect(processesOf(runId)).toStrictEqual([]);
});

test("a process without a parent that becomes one program after the other is found among those of its run", async () => {
  const runId = createRunId();
  // While a process becomes another program, the system shows it without its variables for a moment.
  const child = spawn(
    "/bin/sh",
    [
      "-c",
      'i=0; export i; exec sh -c \'[ $i -ge 10000000 ] || { i=$((i + 1)); exec sh -c "$0" "$0"; }\' \'[ $i -ge 10000000 ] || { i=$((i + 1)); exec sh -c "$0" "$0"; }\'',
    ],
    {
      env: { PATH: process.env["PATH"], ISCEP_RUN: runId },
      stdio: "ignore",
    },
  );
  later(() => void child.kill("SIGKILL"));
  const times = rounds(60, 2_000, 20_000);
  for (let time = 0; time < times; time++) {
    const entry = (await scanProcesses())?.get(child.pid ?? 0);
    expect(entry?.runId, `scan ${time}`).toBe(runId);
  }
});

test("what a script leaves behind when it ends by itself stays, as a service that it has started", async () => {
  const runId = createRunId();
  expect(await run(shell("setsid sleep 300 >/dev/null 2>&1 &"), { runId })).toMatchObject({ status: "completed" });
  await until(() => processesOf(runId).length === 1, "it has gone");
  await endProcessesOfRuns(new Set([runId]));
  expect(processesOf(runId)).toStrictEqual([]);
});

describe("runs of a server that is gone", () => {
  test("lose their processes, the stubborn ones too, and nobody else does", async () => {
    const [first, second, other] = [createRunId(), createRunId(), createRunId()];
    await background(first);
    await background(second, "trap '' TERM; while :; do sleep 1; done");
    const stays = await background(other);
    await endProcessesOfRuns(new Set([first, second]), 200);
    expect(processesOf(first)).toStrictEqual([]);
    expect(processesOf(second)).toStrictEqual([]);
    expect(stays.exitCode).toBeNull();
  });

  test("may have none", async () => {
    await expect(endProcessesOfRuns(new Set())).resolves.toBeUndefined();
    await expect(endProcessesOfRuns(new Set([createRunId()]))).resolves.toBeUndefined();
  });
});

describe("a look at the processes", () => {
  test("finds no zombies: they have ended, and wait for a parent who may never ask", async () => {
    const runId = createRunId();
    // It ends when its parent is no shell any more, because a shell would ask for it.
    const ending = "until read name < /proc/$$/comm && test $name = sleep; do sleep 0.01; done";
    const child = await background(runId, `(${ending}) & echo $! >&3; exec sleep 300`);
    const zombie = Number(child.said);
    await until(() => readFileSync(`/proc/${zombie}/stat`, "latin1").includes(") Z "), "it is no zombie");
    const scan = await scanProcesses();
    expect(scan?.get(child.pid)).toMatchObject({ runId, parentPid: process.pid });
    expect(scan?.has(zombie)).toBe(false);
  });

  test("is shared by all who ask at once, and not with who asked before something new may have started", async () => {
    const first = scanProcesses();
    expect(scanProcesses()).toBe(first);
    await new Promise((resolve) => setImmediate(resolve));
    const second = scanProcesses();
    expect(second).not.toBe(first);
    expect(scanProcesses()).toBe(second);
    const child = await background(createRunId());
    expect((await scanProcesses())?.has(child.pid)).toBe(true);
  });

  test("finds the processes of a run also when this thread stood still meanwhile", async () => {
    const runId = createRunId();
    const child = await background(runId);
    const scan = scanProcesses();
    await new Promise((resolve) => setImmediate(resolve));
    const standMs = limitTable.processScanTimeoutMs.default + 100;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, standMs);
    expect((await scan)?.get(child.pid)).toMatchObject({ runId });
  });

  test("knows a process from another one that has its pid by now", async () => {
    const entry = (await scanProcesses())?.get(process.pid);
    if (entry === undefined) throw new Error("this process was not found");
    expect(isSameProcess(entry)).toBe(true);
    expect(isSameProcess({ ...entry, startTicks: String(Number(entry.startTicks) + 1) })).toBe(false);
  });
});

interface Background {
  readonly pid: number;
  /** What it wrote to its descriptor 3 before it was waited for no longer. */
  readonly said: string;
  readonly exitCode: number | null;
  readonly signalCode: string | null;
}

/** This process belongs to no run of the test. It is killed after the test, if it is still there. */
async function background(runId: string | undefined, lines = "read line <&3"): Promise<Background> {
  const child = spawn("/bin/sh", ["-c", `${lines.includes(">&3") ? "" : "echo ready >&3;"} ${lines}`], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
    detached: true,
    env: { PATH: "/usr/bin:/bin", ...(runId === undefined ? {} : { ISCEP_RUN: runId }) },
  });
  const { pid } = child;
  const pipe = child.stdio[3];
  if (pid === undefined || pipe === null || pipe === undefined) throw new Error("it was not started");
  later(() => {
    pipe.destroy();
    if (child.exitCode === null && child.signalCode === null) process.kill(-pid, "SIGKILL");
  });
  const [said] = await once(pipe, "data");
  return {
    pid,
    said: String(said),
    get exitCode() {
      return child.exitCode;
    },
    get signalCode() {
      return child.signalCode;
    },
  };
}

/** By its working folder: also those who have no variable of the run any more. */
function expectNobodyIn(folder: string): void {
  const there = readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === folder;
    } catch {
      return false;
    }
  });
  expect(there).toStrictEqual([]);
}
