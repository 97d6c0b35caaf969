/** Scripts over version 2, as a client sees them. */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { defineScript, type Command } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { startServer, type TestServerOptions } from "../../support/servers.js";
import { collect } from "../../support/output.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { expectGone } from "../../support/processes.js";

watchForLeaks();

function script(name: string, lines: string): Command & { readonly folder: string } {
  const folder = temporaryFolder();
  const file = path.join(folder, "program.sh");
  writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o700 });
  return defineScript({ name, run: [file], folder });
}

async function clientFor(command: Command, options: TestServerOptions = {}) {
  return (await startServer({ ...options, commands: [command] })).client({ protocol: 2 });
}

test("output comes while the script runs, and its exit code with the outcome", async () => {
  const talk = script("talk", "echo one; until [ -e go ]; do sleep 0.01; done; echo two >&2; exit 3");
  const run = (await clientFor(talk)).run("talk", {});
  const chunks: unknown[] = [];
  for await (const { channel, offset, bytes } of run.output) {
    chunks.push([channel, offset, Buffer.from(bytes).toString()]);
    writeFileSync(path.join(talk.folder, "go"), "");
  }
  expect(chunks).toEqual([
    ["stdout", 0, "one\n"],
    ["stderr", 4, "two\n"],
  ]);
  expect(await run.outcome).toMatchObject({
    status: "failed",
    exitCode: 3,
    value: { stdout: "one\n", stderr: "two\n", exitCode: 3 },
  });
});

test("lines of progress reach the caller as progress", async () => {
  const steps = script("steps", "echo ::progress 0.4 packing region files >&2; echo visible >&2");
  const run = (await clientFor(steps)).run("steps", {});
  const told: unknown[] = [];
  run.onProgress((fraction, message) => told.push([fraction, message]));
  const { stderr } = await collect(run);
  expect(stderr.toString()).toBe("visible\n");
  expect(told).toEqual([[0.4, "packing region files"]]);
});

test("a script that prints more than a packet holds has its exit code in the answer", async () => {
  // Control characters need six bytes each in JSON.
  const flood = script("flood", "head -c 900000 /dev/zero; head -c 900000 /dev/zero >&2; exit 5");
  const maxPacketBytes = 256 * 1024;
  const client = await clientFor(flood, { limits: { maxPacketBytes } });
  expect(await client.call("flood", {})).toMatchObject({ exitCode: 5, truncated: true });

  // Who has followed it has all of it, and gets only the beginning once more.
  const run = client.run("flood", {});
  expect((await collect(run)).all.length).toBe(1_800_000);
  const outcome = await run.outcome;
  expect(outcome).toMatchObject({ status: "failed", exitCode: 5, value: { exitCode: 5, truncated: true } });
  expect(JSON.stringify(outcome.status === "failed" && outcome.value).length).toBeLessThanOrEqual(maxPacketBytes / 4);
});

test("output that was cut is told with the outcome, whatever its value is", async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, "program.sh");
  for (const [exitCode, status] of [
    [0, "completed"],
    [3, "failed"],
  ] as const) {
    writeFileSync(file, `#!/bin/sh\nprintf 1234567890\nexit ${exitCode}\n`, { mode: 0o700 });
    const command = defineScript({
      name: "dump",
      run: [file],
      folder,
      output: "none",
      maxOutputBytes: 4,
      whenOutputIsFull: "truncate",
    });
    const run = (await clientFor(command)).run("dump", {});
    expect((await collect(run)).stdout.toString()).toBe("1234");
    expect(await run.outcome).toMatchObject({ status, exitCode, truncated: true });
  }
});

test("a cancel ends the script and all that it has started", async () => {
  const stubborn = script("stubborn", "setsid sleep 300 & echo begun; wait");
  const run = (await clientFor(stubborn)).run("stubborn", {});
  for await (const { bytes } of run.output) {
    expect(Buffer.from(bytes).toString()).toBe("begun\n");
    break;
  }
  const runId = await run.id;
  run.cancel();
  expect(await run.outcome).toMatchObject({ status: "cancelled" });
  await expectGone(runId);
});
