/** Threads in processes of their own: what would take the tests' process with it, or must let a process end. */
import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const folder = path.join(import.meta.dirname, "programs");

async function outputOf(program: string, args: readonly string[] = [], flags: readonly string[] = []): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, path.join(folder, program), ...args], {
    timeout: 50_000,
    killSignal: "SIGKILL",
  });
  return stdout;
}

test("idle threads do not keep the process alive", async () => {
  expect(await outputOf("call.mjs", ["plain", "plain"])).toBe("done\ndone\n");
});

test("a command without memory ends its thread, and nothing else", async () => {
  const [first, second] = (await outputOf("call.mjs", ["exhaust", "plain"], ["--max-old-space-size=48"])).split("\n");
  expect(first).toMatch(/^killed: .*"exhaust".*no memory left/);
  expect(second).toBe("done");
});

test.each(["fail-in-thread.mjs", "exit-in-thread.mjs"])(
  "threads that cannot start (%s) are told as such",
  async (preloaded) => {
    const lines = (await outputOf("call.mjs", ["plain", "plain"], ["--import", path.join(folder, preloaded)])).split(
      "\n",
    );
    expect(lines).toStrictEqual([expect.stringMatching(/^killed: /), expect.stringMatching(/^killed: /), ""]);
  },
);

test("a server of plain functions loads no library that only others need", async () => {
  expect(await outputOf("no-threads.mjs")).toBe("[]");
});
