/** The control group of one run, which bounds the number of its processes (cgroups(7)). */
import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { systemCodeOf } from "../../files/system-code.js";

export interface RunGroup {
  /** The launcher enters the group and then becomes the program. */
  readonly launcher: readonly string[];
  /** The group is removed when its last process has gone, because processes that a script leaves behind stay in it. */
  close(): void;
}

const prefix = "iscep-run-";
let opened = 0;

/** @throws the system's error when the group cannot be made */
export function openRunGroup(parent: string, maxProcesses: number): RunGroup {
  sweep(parent);
  const folder = path.join(parent, `${prefix}${process.pid}-${++opened}`);
  mkdirSync(folder);
  writeFileSync(path.join(folder, "pids.max"), String(maxProcesses));
  return {
    // The shell runs only these words. All others go to the program unchanged.
    launcher: ["/bin/sh", "-c", 'echo 0 >"$1" && shift && exec "$@"', "sh", path.join(folder, "cgroup.procs")],
    close: () => remove(folder),
  };
}

/** Removes groups of ended runs, of this server and of servers that were killed. A group with processes cannot be removed. */
function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const [, pid = ""] = /^iscep-run-(\d+)-\d+$/.exec(name) ?? [];
    if (pid !== "" && (Number(pid) === process.pid ? left.has(name) : !isAlive(Number(pid))))
      remove(path.join(parent, name));
  }
}

const left = new Set<string>();

function remove(folder: string): void {
  try {
    rmdirSync(folder);
    left.delete(path.basename(folder));
  } catch (error) {
    const isGone = systemCodeOf(error) === "ENOENT";
    if (!isGone) left.add(path.basename(folder));
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return systemCodeOf(error) === "EPERM";
  }
}
