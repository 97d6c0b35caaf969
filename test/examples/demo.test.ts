import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";

const temporary = mkdtempSync(path.join(os.tmpdir(), "iscep-demo-"));

afterAll(() => rmSync(temporary, { recursive: true, force: true }));

function demo(environment: NodeJS.ProcessEnv) {
  const { XDG_STATE_HOME: _xdg, ISCEP_STATE_DIR: _state, ...inherited } = process.env;
  return spawnSync(process.execPath, ["examples/demo.js"], {
    encoding: "utf8",
    env: { ...inherited, ...environment },
    timeout: 60_000,
  });
}

/** A killed process that nobody reaped is still there, as a zombie. */
function isRunning(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe.each<[what: string, environment: NodeJS.ProcessEnv]>([
  ["without XDG_STATE_HOME", {}],
  ["with XDG_STATE_HOME", { XDG_STATE_HOME: path.join(temporary, "xdg") }],
])("npm run demo %s", (_what, environment) => {
  const home = mkdtempSync(path.join(temporary, "home-"));
  const temp = mkdtempSync(path.join(temporary, "temp-"));

  test("shows everything, and leaves no file, process or token behind", () => {
    const { status, stdout, stderr } = demo({ ...environment, HOME: home, TMPDIR: temp });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const steps = ["echo", "discovery", "typed function", "script", "live output", "refused", "server stopped"];
    expect(steps.filter((step) => !new RegExp(`^${step} `, "m").test(stdout))).toEqual([]);
    expect(stdout).toMatch(/caller without a token/);
    expect(stdout).not.toMatch(/isct_/);
    expect(readdirSync(temp)).toEqual([]);
    expect(readdirSync(home)).toEqual([]);
    expect(readdirSync(temporary)).not.toContain("xdg");
    const [, pid = ""] = /process (\d+) listens/.exec(stdout) ?? [];
    expect(pid).not.toBe("");
    expect(isRunning(pid)).toBe(false);
  });
});

test("the demo that cannot do its work says why, and does not exit with 0", () => {
  const { status, stderr } = demo({ TMPDIR: path.join(temporary, "not-there") });
  expect(stderr).toContain("ENOENT");
  expect(status).not.toBe(0);
});
