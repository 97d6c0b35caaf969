/** Scripts open their output by its names, as those for containers do: Node's own pipes are sockets, where that fails. */
import { closeSync, readdirSync, rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openOutputPipe } from "#iscep/runs/script/output-pipe";
import { watchForLeaks } from "../support/leaks.js";
import { run, resultOf, shell } from "../support/scripts.js";

watchForLeaks();

describe.skipIf(process.platform !== "linux")("a script", () => {
  test.each([
    ["/dev/stdout", "stdout"],
    ["/dev/stderr", "stderr"],
    ["/dev/fd/1", "stdout"],
    ["/dev/fd/2", "stderr"],
    ["/proc/self/fd/1", "stdout"],
    ["/proc/self/fd/2", "stderr"],
  ] as const)("writes to %s, also to add to it, and goes on", async (name, channel) => {
    const outcome = await run(
      shell(`set -e; echo one > ${name}; echo two >> ${name}; echo three | tee ${name}; echo end`),
    );
    expect(outcome).toMatchObject({ status: "completed", exitCode: 0 });
    const lines = channel === "stdout" ? "one\ntwo\nthree\nthree\nend\n" : "one\ntwo\nthree\n";
    // tee writes to both by descriptors of its own, in either order.
    expect(resultOf(outcome)[channel]).toBe(lines);
  });

  test("has pipes whose names are gone", async () => {
    const outcome = await run(shell("readlink /proc/$$/fd/1 | sed 's/ (deleted)//'"));
    const name = resultOf(outcome).stdout.trim();
    expect(name).toContain("iscep-pipes-");
    expect(readdirSync(name.slice(0, name.lastIndexOf("/")))).not.toContain(name.slice(name.lastIndexOf("/") + 1));
  });

  test("many at once, each with pipes of its own: no byte is lost or mixed", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        run(shell(`for i in 1 2 3 4 5; do printf %01000d ${index} > /dev/stdout; done; echo ${index} > /dev/stderr`)),
      ),
    );
    for (const [index, outcome] of outcomes.entries()) {
      expect(resultOf(outcome).stdout).toBe(String(index).padStart(1_000, "0").repeat(5));
      expect(resultOf(outcome).stderr).toBe(`${index}\n`);
    }
  });

  test("has its output also after somebody has removed the folder of the pipes", async () => {
    const name = resultOf(await run(shell("readlink /proc/$$/fd/1"))).stdout;
    const folder = name.slice(0, name.lastIndexOf("/"));
    rmSync(folder, { recursive: true });
    const scripts = Array.from({ length: 80 }, () => run(shell("echo one > /dev/stdout; echo two > /dev/stderr")));
    for (const outcome of await Promise.all(scripts)) {
      expect(outcome).toMatchObject({ status: "completed", exitCode: 0 });
      expect(resultOf(outcome)).toMatchObject({ stdout: "one\n", stderr: "two\n" });
    }
  });

  test("that cannot have its pipes takes no descriptor and no pipe", () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const opened = openOutputPipe();
    const before = descriptors();
    for (let attempt = 0; attempt < 100; attempt++)
      expect(() => openOutputPipe({ uid: -2, gid: -2 })).toThrow("out of range");
    expect(descriptors()).toBe(before);
    const next = openOutputPipe();
    expect(next).toBeDefined();
    for (const pipe of [opened, next]) {
      pipe?.reader.destroy();
      if (pipe !== undefined) closeSync(pipe.writeEnd);
    }
  });
});
