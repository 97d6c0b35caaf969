/** What `iscep serve` was started with open stays with it: a lock of a shell, a key that was given as a descriptor. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect, type ScriptResult } from "iscep";
import { iscep } from "../support/iscep.js";
import { mainFile } from "../support/iscep-process.js";
import { temporaryFolder } from "../support/temporary-folder.js";

test.runIf(process.platform === "linux")("scripts inherit no descriptor, whatever its number", async () => {
  const folder = temporaryFolder();
  await writeFile(join(folder, "iscep.yaml"), "listen: 0\ncommands: { open: { run: [ls, -l, /proc/self/fd] } }\n");
  await iscep(["cert", "--cert", "cert.pem", "--key", "key.pem"], { folder });
  await writeFile(join(folder, "lock"), "");
  const [lock, key] = ["lock", "key.pem"].map((name) => openSync(join(folder, name), "r"));
  const child = spawn(
    process.execPath,
    [mainFile, "serve", "--json", "--tls-cert", "cert.pem", "--tls-key", "/dev/fd/201"],
    {
      cwd: folder,
      env: { PATH: process.env["PATH"], HOME: folder, XDG_STATE_HOME: join(folder, "state") },
      stdio: [
        "ignore",
        "pipe",
        "inherit",
        ...Array<"ignore">(6).fill("ignore"),
        lock,
        ...Array<"ignore">(190).fill("ignore"),
        lock,
        key,
      ],
    },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await ended;
  });
  for (const descriptor of [lock, key]) if (descriptor !== undefined) closeSync(descriptor);
  const line = await new Promise((resolve) => child.stdout?.once("data", resolve));
  const { url } = JSON.parse(String(line)) as { url: string };
  await using client = await connect(url);
  const { stdout } = (await client.call("open")) as ScriptResult;
  expect(stdout).toContain(" 1 -> ");
  expect(stdout).not.toMatch(/lock|key\.pem| 20[01] -> /);
});
