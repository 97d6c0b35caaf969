/** The files of the runs folder: their size, their names, their rights, and what happens when they cannot be written. */
import { chmodSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { watchForLeaks } from "../support/leaks.js";
import { tokens } from "../support/servers.js";
import { collect, patternBytes } from "../support/output.js";
import { keepingFolder, runsOf, startKeeping, startKeepingHere, textOfFolder } from "../support/keeping-server.js";
import { toIscepError } from "#iscep/errors";
import { until } from "../support/until.js";

watchForLeaks();

test("all files of all runs together stay within their bytes, those of runs under way too", async () => {
  const folder = keepingFolder();
  const limits = { maxRunsFolderBytes: 1_500_000, outputSegmentBytes: 100_000, maxRetainedOutputBytes: 50_000 };
  const first = await startKeepingHere(folder, { limits });
  const client = await first.client();
  const sizes = () => readdirSync(first.runsFolder).map((name) => statSync(path.join(first.runsFolder, name)).size);
  const total = () => sizes().reduce((sum, size) => sum + size, 0);
  const ids: string[] = [];
  for (let count = 0; count < 6; count++) {
    const run = client.run("speak", { bytes: 400_000, piece: 10_000, pauseMs: 0 });
    await collect(run);
    ids.push(await run.id);
  }
  await expect.poll(total, { interval: 20 }).toBeLessThan(1_600_000);
  expect((await runsOf(client)).length).toBe(6);
  // The bytes may be few only because the disk is behind.
  await until(() => !readdirSync(first.runsFolder).some((name) => name.startsWith(ids[0]!)));
  expect((await collect(client.attach(ids[5]!, { offset: 0 }))).all).toHaveLength(400_000);
  const large = client.run("speak", { bytes: 3_000_000, piece: 10_000, pauseMs: 0 });
  await collect(large);
  await expect.poll(total, { interval: 20 }).toBeLessThan(1_700_000);
  const id = await large.id;
  // Its last bytes may still be on their way to the disk, and the first ones go when these come.
  const fromTheStart = (): Promise<unknown> =>
    client.attach(id, { offset: 0 }).value.then(
      () => "there",
      (error: unknown) => toIscepError(error).code,
    );
  await expect.poll(fromTheStart, { interval: 50 }).toBe("output_gone");
});

test("names of files are the server's own, closed to others, and neither tokens, keys nor arguments are in them", async () => {
  const folder = keepingFolder();
  const first = await startKeeping(folder, { logs: true });
  const client = await first.client();
  const key = "canary-key/../../etc/passwd";
  await client.run("count", { tag: "canary-value", ms: 0, secret: "canary-secret" }, { idempotencyKey: key }).id;
  const cut = client.run("count", { tag: "canary-value", ms: 60_000 }, { idempotencyKey: `${key}2` });
  await cut.id;
  await client.close();
  await first.kill();
  const second = await startKeepingHere(folder, { logs: true });
  await second.stop();
  const names = readdirSync(second.runsFolder);
  for (const name of names) {
    const ofRun = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}(?:\.run|\.\d{16}\.out)$/;
    // A link, named after a SHA-256 of owner and key, to the file of its run.
    if (/^[\w-]{43}\.key$/.test(name)) expect(readlinkSync(path.join(second.runsFolder, name))).toMatch(ofRun);
    else expect(name).toMatch(ofRun);
    expect(statSync(path.join(second.runsFolder, name)).mode & 0o777).toBe(0o600);
  }
  expect(statSync(second.runsFolder).mode & 0o777).toBe(0o700);
  const text = textOfFolder(second.runsFolder) + textOfFolder(path.join(folder, "logs"));
  for (const secret of [tokens.alice, "canary-key", "canary-secret"]) expect(text).not.toContain(secret);
  // Values are kept with the run that gave them back, and are in no log.
  expect(textOfFolder(path.join(folder, "logs"))).not.toContain("canary");
});

test("lines that are cut, forged or no JSON are passed over", async () => {
  const folder = keepingFolder();
  const first = await startKeepingHere(folder, { logs: true });
  const client = await first.client();
  await client.run("count", { tag: "t", ms: 0 }).value;
  await client.close();
  await first.stop();
  const good = readFileSync(first.commandsLog, "utf8");
  const rubbish = [
    "",
    "not json",
    '{"server":"',
    '{"server":"x","runId":7}',
    "[]",
    "\0\0\0",
    '{"runId":"x","server":"1-2-zz"',
  ];
  writeFileSync(first.commandsLog, `${rubbish.join("\n")}\n${good}{"time":"2026-`);
  writeFileSync(path.join(first.runsFolder, "01234567-89ab-7def-8123-456789abcdef.run"), '{"run":"0123');
  writeFileSync(path.join(first.runsFolder, "notes.txt"), "left alone");
  const second = await startKeepingHere(folder, { logs: true });
  const again = await second.client();
  expect(await runsOf(again)).toMatchObject([{ command: "count", status: "completed" }]);
  await again.close();
  await second.stop();
  expect(readFileSync(path.join(folder, "logs", "error.log"), "utf8")).toMatch(
    /"runs_folder".*lines of .* passed over/,
  );
  expect(readFileSync(path.join(first.runsFolder, "notes.txt"), "utf8")).toBe("left alone");
});

test("a folder that cannot be written to: the run goes on in memory, and error.log says so once", async () => {
  const folder = keepingFolder();
  const first = await startKeepingHere(folder, { logs: true });
  const client = await first.client();
  // Even root cannot write to a folder that is a file.
  rmSync(first.runsFolder, { recursive: true });
  writeFileSync(first.runsFolder, "");
  chmodSync(first.runsFolder, 0o400);
  for (let count = 0; count < 3; count++) {
    const run = client.run("speak", { bytes: 100_000, piece: 10_000, pauseMs: 0 }, { idempotencyKey: `k${count}` });
    const { all } = await collect(run);
    expect(all.equals(patternBytes(0, 100_000))).toBe(true);
    expect(await run.value).toEqual({ written: 100_000 });
  }
  await client.close();
  await first.stop();
  const lines = readFileSync(path.join(folder, "logs", "error.log"), "utf8").split("\n");
  expect(lines.filter((line) => line.includes("runs_folder"))).toHaveLength(1);
});

test("a disk that takes no more keeps what it has, the newest output stays in memory, and its runs go on", async () => {
  const folder = keepingFolder();
  const limits = { maxRetainedOutputBytes: 100_000 };
  const first = await startKeeping(folder, { logs: true, limits, maxFileBytes: 300 * 1024 });
  const client = await first.client();
  const run = client.run("speak", { bytes: 2_000_000, piece: 10_000, pauseMs: 0 }, { detach: true });
  const { all } = await collect(run);
  expect(all.equals(patternBytes(0, 2_000_000))).toBe(true);
  // The disk is behind the memory: it fails when the whole output has long been read.
  const id = await run.id;
  const attached = () =>
    client.attach(id, { offset: 1_000_000 }).value.then(
      () => "whole",
      (error: unknown) => toIscepError(error).code,
    );
  await until(async () => (await attached()) === "output_gone");
  const kept: Uint8Array[] = [];
  for await (const { bytes } of client.attach(id, { offset: 0 }).output) {
    kept.push(bytes);
    break;
  }
  const before = Buffer.concat(kept);
  expect(before.length).toBeGreaterThan(0);
  expect(before.equals(patternBytes(0, before.length))).toBe(true);
  expect(await client.call("add", { a: 1, b: 2 })).toBe(3);
  await client.close();
  await first.stop();
  expect(readFileSync(path.join(folder, "logs", "error.log"), "utf8")).toMatch(/"runs_folder".*cannot be written/);
  expect(readdirSync(first.runsFolder)).toContain(`${id}.0000000000000000.out`);
});

test("plain calls of functions never touch the runs folder", async () => {
  const folder = keepingFolder();
  const first = await startKeepingHere(folder, { logs: true });
  const client = await first.client();
  for (let count = 0; count < 50; count++) expect(await client.call("add", { a: count, b: 1 })).toBe(count + 1);
  await client.call("count", { tag: "t", ms: 1 });
  await client.close();
  await first.stop();
  expect(readdirSync(first.runsFolder)).toEqual([]);
});

test("pages: newest first, each run once, whatever the size of a page", async () => {
  const folder = keepingFolder();
  const first = await startKeepingHere(folder, { limits: { maxRunsPage: 7 } });
  const client = await first.client();
  const ids: string[] = [];
  for (let count = 0; count < 30; count++) ids.push(await client.run("count", { tag: "t", ms: 0 }).id);
  await client.close();
  await first.stop();
  const second = await startKeepingHere(folder, { limits: { maxRunsPage: 7 } });
  const again = await second.client();
  expect((await runsOf(again)).map(({ run }) => run)).toEqual(ids.sort().toReversed().slice(0, 7));
});
