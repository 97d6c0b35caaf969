import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, closeSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "iscep";
import { firstLine } from "../support/iscep.js";
import { startProcess } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const commands = fileURLToPath(new URL("programs/commands.mjs", import.meta.url));

test("a server that is told to end does not wait for a reader of its logs that stands still", async () => {
  const folder = temporaryFolder();
  // It waits for no longer than these together.
  const limits = "limits: { kill_grace_ms: 100ms, linger_timeout_ms: 100ms }\n";
  const settings = `listen: 127.0.0.1:0\ntls: false\nlogs: { to: stdout }\n${limits}modules: [${JSON.stringify(commands)}]\n`;
  writeFileSync(join(folder, "iscep.yaml"), settings);
  const child = startProcess(["serve", "--grace", "100ms"], { folder });
  const gone = once(child, "exit");
  const { url } = JSON.parse(await firstLine(child)) as { url: string };
  child.stdout.pause();
  const client = await connect(url);
  // What is logged of them, with a stack each, is more than the system holds between two processes.
  await Promise.all(Array.from({ length: 400 }, () => client.run("crash", {}).outcome));
  await client.close();
  child.kill("SIGTERM");
  expect(await gone).toEqual([0, null]);
  child.stdout.destroy();
});

test.skipIf(!existsSync("/dev/full"))("a server whose standard error is on a full disk goes on", async () => {
  const folder = temporaryFolder();
  writeFileSync(
    join(folder, "iscep.yaml"),
    "listen: 127.0.0.1:0\ntls: false\ncommands:\n  fails: { run: ['false'] }\n  hi: { run: [echo, hi] }\n",
  );
  const full = openSync("/dev/full", "w");
  const child = spawn(process.execPath, [resolve("dist/cli/main.js"), "serve", "--debug"], {
    cwd: folder,
    env: { ...process.env, ISCEP_STATE_DIR: join(folder, "state") },
    stdio: ["ignore", "pipe", full],
  });
  closeSync(full);
  const gone = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await gone;
  });
  let told = "";
  for await (const chunk of child.stdout!) {
    told += String(chunk);
    if (told.includes("\n")) break;
  }
  const client = await connect(/listening on (\S+)/.exec(told)![1]!);
  onTestFinished(() => client.close());
  for (let count = 0; count < 5; count++) {
    await client.run("fails", {}).outcome;
    expect(await client.run("hi", {}).outcome).toMatchObject({ status: "completed" });
  }
  expect(child.exitCode).toBe(null);
});
