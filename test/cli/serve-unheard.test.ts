import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, openSync, closeSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "iscep";
import { temporaryFolder } from "../support/temporary-folder.js";

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
