/** Whether a server of another container lives, as its file in the runs folder shows it. */
import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ServerLease } from "#iscep/journal/lease";
import { later } from "../support/cleanup.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { until } from "../support/until.js";

const elsewhere = "1-100-00000000";

function leaseIn(folder: string, renewMs: number): ServerLease {
  const lease = new ServerLease(folder, renewMs, (error) => expect.fail(String(error)));
  later(() => lease.close());
  return lease;
}

test.each([
  ["an hour behind", -3_600],
  ["right", 0],
  ["an hour ahead", 3_600],
])("a server whose clock is %s lives while it writes, and is gone when it does not", async (_, offset) => {
  const folder = temporaryFolder();
  const file = path.join(folder, `${elsewhere}.server`);
  writeFileSync(file, "");
  const renewMs = 250;
  const lease = leaseIn(folder, renewMs);
  const startMs = performance.now();
  // This is longer than any server may be silent.
  let writtenMs = startMs;
  for (let change = 0; performance.now() - startMs < 6 * renewMs; change++) {
    const atSeconds = Date.now() / 1_000 + offset + change / 1_000;
    writtenMs = performance.now();
    utimesSync(file, atSeconds, atSeconds);
    expect(lease.isGone(elsewhere)).toBe(false);
    await sleep(renewMs / 10);
  }
  await until(() => lease.isGone(elsewhere));
  expect(performance.now() - writtenMs).toBeGreaterThan(2 * renewMs);
  rmSync(file, { force: true });
  expect(lease.isGone(elsewhere)).toBe(true);
});

test("nobody knows of a server whether it lives until it was seen to write, or watched; then its file is removed", async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, `${elsewhere}.server`);
  writeFileSync(file, "");
  // It is known after four intervals, and a machine that is busy may stand still for one.
  const lease = leaseIn(folder, 250);
  expect(lease.isGoneIfKnown(elsewhere)).toBeUndefined();
  utimesSync(file, 1_000, 1_000);
  expect(lease.isGoneIfKnown(elsewhere)).toBe(false);
  await until(() => !existsSync(file));
  expect(lease.isGoneIfKnown(elsewhere)).toBe(true);
});

test("a server that nobody asked for yet is watched, so that the first answer is right", async () => {
  const renewMs = 50;
  const isKnown = async (): Promise<boolean> => {
    const folder = temporaryFolder();
    const file = path.join(folder, `${elsewhere}.server`);
    const lease = leaseIn(folder, renewMs);
    writeFileSync(file, "");
    await sleep(12 * renewMs);
    // On a busy machine this process may have stood still meanwhile. Then another one is asked.
    if (!lease.isGone(elsewhere)) return false;
    lease.sweep();
    return !existsSync(file);
  };
  await expect.poll(isKnown).toBe(true);
});

test("a standstill of the machine is no silence of its servers", async () => {
  const folder = temporaryFolder();
  const file = path.join(folder, `${elsewhere}.server`);
  writeFileSync(file, "");
  const renewMs = 100;
  const lease = leaseIn(folder, renewMs);
  expect(lease.isGone(elsewhere)).toBe(false);
  // Neither this thread nor, on a machine that stands still, the other server does anything.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 6 * renewMs);
  expect(lease.isGone(elsewhere)).toBe(false);
});

test("servers of one process share the file, and the last one removes it", () => {
  const folder = temporaryFolder();
  const [first, second] = [leaseIn(folder, 60_000), leaseIn(folder, 60_000)];
  first.close();
  first.close();
  expect(readdirSync(folder)).toHaveLength(1);
  second.close();
  expect(readdirSync(folder)).toEqual([]);
});
