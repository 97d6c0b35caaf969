/**
 * Finds where this server may make control groups (cgroups(7)). Each group counts the processes of one run, of any
 * user.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import path from "node:path";

let known: { readonly folder: string | undefined } | undefined;

/** The folder in which a group can be made; undefined when the server may make none. It is looked for once. */
export function cgroupFolder(): string | undefined {
  known ??= { folder: candidates().find(mayMakeGroups) };
  return known.folder;
}

/**
 * Version 1 counts processes in a tree of its own. In version 2, a group counts the processes of its children if its
 * parent says so.
 */
function candidates(): string[] {
  const own = linesOf("/proc/self/cgroup").map((line) => line.split(":"));
  const mounts = linesOf("/proc/self/mountinfo").map((line) => line.split(" "));
  const folders: string[] = [];
  for (const [, controllers = "", ...rest] of own) {
    const isVersion2 = controllers === "";
    if (!isVersion2 && !controllers.split(",").includes("pids")) continue;
    for (const fields of mounts) {
      // proc(5): root and mount point are the 4th and 5th field. After the dash come type, source and options.
      const [type = "", , options = ""] = fields.slice(fields.indexOf("-") + 1);
      const fits = isVersion2 ? type === "cgroup2" : type === "cgroup" && options.split(",").includes("pids");
      if (!fits) continue;
      const folder = path.join(fields[4] ?? "", path.relative(fields[3] ?? "/", rest.join(":")));
      folders.push(folder);
      // systemd.resource-control(5): with DelegateSubgroup, the service itself is a group, and its own processes are in
      // a group below it.
      if (isVersion2 && path.dirname(folder).endsWith(".service")) folders.push(path.dirname(folder));
    }
  }
  return folders;
}

function mayMakeGroups(folder: string): boolean {
  const probe = path.join(folder, `iscep-probe-${process.pid}`);
  try {
    mkdirSync(probe);
  } catch {
    return false;
  }
  try {
    accessSync(path.join(probe, "cgroup.procs"), constants.W_OK);
    return existsSync(path.join(probe, "pids.max"));
  } catch {
    return false;
  } finally {
    rmdirSync(probe);
  }
}

function linesOf(file: string): string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    // Without /proc there are no groups either.
    return [];
  }
}
