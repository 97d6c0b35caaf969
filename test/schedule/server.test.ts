/** Scheduled commands of a real server with a runs folder, by the real clock: a time that has just passed is due at its start. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { defineScript } from "iscep";
import { watchForLeaks } from "../support/leaks.js";
import { logLines, readLogs, startServer } from "../support/servers.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";

watchForLeaks();

/** Once a day, in the minute that began last; the server was there before it, and is not yet told that it has come. */
function justMissed(runsFolder: string): { cron: string; plannedMs: number } {
  const plannedMs = Math.floor(Date.now() / 60_000) * 60_000;
  const planned = new Date(plannedMs);
  const cron = `${planned.getUTCMinutes()} ${planned.getUTCHours()} * * *`;
  const state = { pattern: `${cron} UTC`, seenMs: plannedMs - 1_000, started: [] };
  mkdirSync(runsFolder, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(runsFolder, "schedule.json"), JSON.stringify({ version: 1, schedules: { nightly: state } }));
  return { cron, plannedMs };
}

async function written(file: string): Promise<string> {
  while (!existsSync(file) || readFileSync(file, "utf8") === "") await new Promise((resolve) => setTimeout(resolve, 5));
  return readFileSync(file, "utf8");
}

test("what was due while the server was down is started at its start, once, and no caller can see it", async () => {
  const folder = temporaryFolder();
  const runsFolder = path.join(folder, "runs");
  const { cron, plannedMs } = justMissed(runsFolder);
  const file = path.join(folder, "begun");
  const program = path.join(folder, "nightly.sh");
  writeFileSync(program, `#!/bin/sh\necho "$ISCEP_RUN" >> ${file}\nwhile [ ! -e ${file}.end ]; do sleep 0.02; done\n`, {
    mode: 0o700,
  });
  const nightly = defineScript({ name: "nightly", run: [program], schedule: { cron, timeZone: "UTC" } });
  const first = await startServer({ commands: [nightly], runsFolder });
  const run = (await written(file)).trim();
  const client = await first.client({ protocol: 2 });
  expect(JSON.stringify(await client.runs())).not.toContain(run);
  expect(await errorOf(client.attach(run).value)).toMatchObject({ code: "run_not_found" });
  expect(await errorOf(client.cancel(run))).toMatchObject({ code: "run_not_found" });
  writeFileSync(`${file}.end`, "");
  const kept = JSON.parse(readFileSync(path.join(runsFolder, "schedule.json"), "utf8")) as unknown;
  expect(kept).toMatchObject({ schedules: { nightly: { started: [[plannedMs, plannedMs]] } } });
  await client.close();
  await first.server.close();
  const lines = logLines(readLogs(path.join(first.folder, "logs"))).filter(({ owner }) => owner === "schedule");
  expect(lines.at(-1)).toMatchObject({ command: "nightly", source: "schedule", status: "completed", exitCode: 0 });
  const second = await startServer({ commands: [nightly], runsFolder });
  await (await second.client({ protocol: 2 })).ping();
  await second.server.close();
  expect(readFileSync(file, "utf8").trim()).toBe(run);
});
