/** No descriptor is left when a run is cancelled: all that it has started is ended all the same. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { createRunId } from "#iscep/runs/run/run-id";
import { shell } from "../support/scripts.js";
import { processesOf } from "../support/processes.js";

const program = `
  import { closeSync, existsSync, openSync } from "node:fs";
  import { setTimeout as pause } from "node:timers/promises";
  import { defaultLimits } from "#iscep/limits/limits";
  import { runScript } from "#iscep/runs/script/run-script";
  const [runId, folder] = process.argv.slice(1);
  const command = {
    kind: "script", name: "tree", description: "", argsSchema: {}, checkArguments: () => ({ ok: true }), folder,
    program: folder + "/program", environment: process.env,
    invocation: () => ({ argv: [], environment: process.env, descriptors: [], secrets: [] }),
  };
  const controller = new AbortController();
  const ended = runScript(command, [], {
    runId, timeoutMs: 60_000, signal: controller.signal, limits: { ...defaultLimits, killGraceMs: 1_000 },
  });
  while (!existsSync(folder + "/ready")) await pause(5);
  const taken = [];
  try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {}
  controller.abort(new Error("cancelled"));
  const { status } = await ended;
  for (const descriptor of taken) closeSync(descriptor);
  console.log(status);
  process.exit();
`;

test.skipIf(process.platform !== "linux")("processes in sessions of their own are found without a descriptor", () => {
  const { folder } = shell("setsid sleep 300 & setsid sh -c 'sleep 300; :' & touch ready; sleep 300");
  const runId = createRunId();
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", 'ulimit -n 64; exec "$0" --input-type=module -e "$@"', process.execPath, program, runId, folder],
    // Node reads these certificates in a thread, which takes a descriptor and gives it back at any time.
    { encoding: "utf8", env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined } },
  );
  const left = processesOf(runId);
  for (const pid of left) process.kill(pid, "SIGKILL");
  expect({ stdout, stderr, left: left.length }).toEqual({ stdout: "cancelled\n", stderr: "", left: 0 });
});
