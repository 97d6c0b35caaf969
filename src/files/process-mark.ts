/**
 * Names a process so that another can tell later whether it has ended: `PID-START-SCOPE`. Numbers of processes are used
 * again, so the time of its start is in it; and they mean something only on one machine and in one container, so a hash
 * of these is in it too. Used in names and contents of locks and temporary files.
 */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

const pattern = /^([0-9]+)-([0-9]+)-([0-9a-f]{8})$/;

let own: string | undefined;

export function ownProcessMark(): string {
  own ??= `${process.pid}-${processStat("self")?.start ?? "0"}-${ownScope()}`;
  return own;
}

export function isProcessMark(text: string): boolean {
  return pattern.test(text);
}

/** Of this machine and container: only there can it be seen whether the process lives. */
export function isOwnScope(mark: string): boolean {
  return pattern.exec(mark)?.[3] === ownScope();
}

/** True only when it is certain: for a process of another machine or container it never is. */
export function isProcessGone(mark: string): boolean {
  const [, pidText, start, scope] = pattern.exec(mark) ?? [];
  if (pidText === undefined || scope !== ownScope()) return false;
  const pid = Number(pidText);
  if (!isRunning(pid)) return true;
  const stat = processStat(String(pid));
  if (stat === undefined) return false;
  // A killed process whose parent does not ask for its end stays as a zombie.
  return stat.state === "Z" || stat.state === "X" || (start !== "0" && stat.start !== start);
}

/** Not by /proc, which may hide the processes of other users. */
function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

/** proc(5): the second field is the program's name in brackets, and may hold anything, so count from the last bracket. */
function processStat(pid: string): { state: string; start: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // no /proc on this system, or it is hidden: then only the number counts
  }
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, start] = [fields[0], fields[19]];
  return state === undefined || start === undefined ? undefined : { state, start };
}

let scopeHash: string | undefined;

function ownScope(): string {
  scopeHash ??= createHash("sha256").update(`${hostname()}\n${pidNamespace()}`).digest("hex").slice(0, 8);
  return scopeHash;
}

function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return ""; // a system without namespaces
  }
}
