import { once } from "node:events";
import {
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createFileExclusively, temporaryPathOf, writeFileAtomically } from "#iscep/files/atomic-file";
import { lockIntervals, withFileLock, withTouchedLock } from "#iscep/files/file-lock";
import { isProcessGone, ownProcessMark } from "#iscep/files/process-mark";
import { runProgram, startProgram } from "../support/programs.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { errorOf } from "../support/error-of.js";
import { until } from "../support/until.js";

describe("marks of processes", () => {
  test("tell the living from the dead", async () => {
    expect(isProcessGone(ownProcessMark())).toBe(false);
    const dead = (await runProgram("process-mark")).trim();
    expect(isProcessGone(dead)).toBe(true);
    expect(isProcessGone("")).toBe(false);
    expect(isProcessGone("x-y-z")).toBe(false);
  });

  test.skipIf(process.platform !== "linux")("a number that is used again is another process", () => {
    const [pid, start, scope] = ownProcessMark().split("-");
    expect(isProcessGone(`${pid}-${Number(start) - 1}-${scope}`)).toBe(true);
  });

  test("of another machine or container cannot be judged", async () => {
    const [pid, start] = (await runProgram("process-mark")).trim().split("-");
    expect(isProcessGone(`${pid}-${start}-00000000`)).toBe(false);
  });
});

describe("the lock", () => {
  test("lets one in at a time, in turn with others in this process", async () => {
    const path = join(temporaryFolder(), "file");
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise(setImmediate);
      inside--;
    };
    await Promise.all(Array.from({ length: 20 }, () => withFileLock(path, 10_000, work)));
    expect(most).toBe(1);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("is given back when the work throws", async () => {
    const path = join(temporaryFolder(), "file");
    const failing = withFileLock(path, 1_000, () => {
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await withFileLock(path, 1_000, () => "yes")).toBe("yes");
  });

  test("of a killed process is taken over, by one only, also when a taking over was interrupted", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "file");
    const dead = (await runProgram("process-mark")).trim();
    for (let round = 0; round < 10; round++) {
      writeFileSync(`${path}.lock`, `${dead}-00000000000000a${round}`);
      writeFileSync(`${path}.lock.00000000000000a${round}`, `${dead}-00000000000000b${round}`);
      writeFileSync(`${path}.lock.00000000000000b${round}`, `${dead}-00000000000000c${round}`);
      let inside = 0;
      await Promise.all(
        Array.from({ length: 8 }, () =>
          withFileLock(path, 10_000, async () => {
            expect(++inside).toBe(1);
            await new Promise(setImmediate);
            inside--;
          }),
        ),
      );
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test("of a process that was killed with it is taken over", async () => {
    const path = join(temporaryFolder(), "file");
    const holder = startProgram("hold-lock", path);
    if (holder.stdout === null) throw new Error("no output");
    await once(holder.stdout, "data");
    expect((await errorOf(() => withFileLock(path, 30, () => 1))).code).toBe("busy");
    holder.kill("SIGKILL");
    await once(holder, "close");
    expect(await withFileLock(path, 10_000, () => 1)).toBe(1);
  });

  const elsewhere = "1-1-00000000-0123456789abcdef";
  const quick = { touchMs: 20, silenceMs: 300 };

  test("has the intervals of all versions, as a process with others would take it from a living owner", () => {
    expect(lockIntervals).toEqual({ touchMs: 300, silenceMs: 3_000 });
  });

  test("of another container is taken over when its holder gives no sign, and not while it does", async () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(`${path}.lock`, elsewhere);
    let touches = 0;
    const alive = setInterval(() => utimesSync(`${path}.lock`, 1, ++touches), 5);
    expect((await errorOf(() => withTouchedLock(quick, path, 450, () => 1))).code).toBe("busy");
    clearInterval(alive);
    const holder = await withTouchedLock(quick, path, 10_000, () => readFileSync(`${path}.lock`, "utf8"));
    expect(holder).not.toContain(elsewhere);
    expect(existsSync(`${path}.lock`)).toBe(false);
  });

  test("of another container stays when its holder goes on while a left takeover is waited for", async () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(`${path}.lock`, elsewhere);
    writeFileSync(`${path}.lock.0123456789abcdef`, "2-2-00000000-fedcba9876543210");
    // The lock is silent for so long, then the takeover for as long. Between them the holder gives one sign.
    const sign = setTimeout(() => utimesSync(`${path}.lock`, 1, 1), 450);
    const error = await errorOf(() => withTouchedLock(quick, path, 750, () => 1));
    clearTimeout(sign);
    expect(error.code).toBe("busy");
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(elsewhere);
  });

  test("of another container stays when this process stood still, as its holder may have done too", async () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(`${path}.lock`, elsewhere);
    let touches = 0;
    const alive = setInterval(() => utimesSync(`${path}.lock`, 1, ++touches), 50);
    const waiting = errorOf(() => withTouchedLock(quick, path, 700, () => 1));
    setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400), 100);
    expect((await waiting).code).toBe("busy");
    clearInterval(alive);
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(elsewhere);
  });

  test("is touched while it is held, and what others made in its place is left alone", async () => {
    const path = join(temporaryFolder(), "file");
    await withTouchedLock(quick, path, 1_000, async () => {
      const { mtimeMs } = statSync(`${path}.lock`);
      await until(() => statSync(`${path}.lock`).mtimeMs > mtimeMs);
      rmSync(`${path}.lock`);
      writeFileSync(`${path}.lock`, elsewhere);
    });
    expect(readFileSync(`${path}.lock`, "utf8")).toBe(elsewhere);
  });

  test.each(["", "garbage", elsewhere])(
    "with the content %j is waited for, then the message says what to do",
    async (content) => {
      const path = join(temporaryFolder(), "file");
      writeFileSync(`${path}.lock`, content);
      const error = await errorOf(() => withFileLock(path, 20, () => 1));
      expect(error.code).toBe("busy");
      expect(error.message).toContain(`${path}.lock`);
      expect(error.message).toContain("20 ms");
    },
  );

  test("that is a link to nowhere does not hang", async () => {
    const folder = temporaryFolder();
    symlinkSync(join(folder, "nowhere"), join(folder, "file.lock"));
    expect((await errorOf(() => withFileLock(join(folder, "file"), 20, () => 1))).code).toBe("busy");
  });

  test("sweeps what killed processes left, and nothing of the living", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "file");
    const dead = (await runProgram("process-mark")).trim();
    const living = temporaryPathOf(path);
    for (const name of [
      `${path}.${dead}-0123456789abcdef.tmp`,
      `${path}.lock.${dead}-0123456789abcdef.tmp`,
      living,
      `${path}.old.tmp`,
    ]) {
      writeFileSync(name, "");
    }
    writeFileSync(`${path}.lock.0123456789abcdef`, `${dead}-0123456789abcdef`);
    await withFileLock(path, 1_000, () => undefined);
    expect(
      readdirSync(folder)
        .map((name) => join(folder, name))
        .sort(),
    ).toEqual([living, `${path}.old.tmp`].sort());
  });
});

describe("files as a whole", () => {
  test("replace what was there, closed to others", () => {
    const path = join(temporaryFolder(), "file");
    writeFileAtomically(path, "one");
    writeFileAtomically(path, "two");
    expect(readFileSync(path, "utf8")).toBe("two");
    expect(readdirSync(join(path, ".."))).toEqual(["file"]);
  });

  test("are made once", () => {
    const path = join(temporaryFolder(), "file");
    expect(createFileExclusively(path, "one")).toBe(true);
    expect(createFileExclusively(path, "two")).toBe(false);
    expect(readFileSync(path, "utf8")).toBe("one");
    expect(readdirSync(join(path, ".."))).toEqual(["file"]);
  });
});
