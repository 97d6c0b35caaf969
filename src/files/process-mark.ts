/**
 * Names a process, so that another process can find out later whether it has ended: `PID-START-SCOPE`. Locks and
 * temporary files use such names. The start time is part of the name because systems use process numbers again. The
 * scope is a hash of the machine and the container, because a number means something only there.
 */
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { systemCodeOf } from "./system-code.js";

const pattern = /^([0-9]+)-([0-9]+)-([0-9a-f]{8})$/;

let own: string | undefined;

export function ownProcessMark(): string {
  own ??= `${process.pid}-${processStat("self")?.start ?? "0"}-${ownScope()}`;
  return own;
}

export function isProcessMark(text: string): boolean {
  return pattern.test(text);
}

/** The scope of this machine and container. Only within it can a process see whether another one lives. */
export function isOwnScope(mark: string): boolean {
  return pattern.exec(mark)?.[3] === ownScope();
}

/**
 * True only when it is certain that the process has ended. That is never certain for a process of another machine or
 * container.
 */
export function isProcessGone(mark: string): boolean {
  const [, pidText, start, scope] = pattern.exec(mark) ?? [];
  if (pidText === undefined || scope !== ownScope()) return false;
  const pid = Number(pidText);
  if (!isRunning(pid)) return true;
  const stat = processStat(String(pid));
  if (stat === undefined) return false;
  // A killed process stays as a zombie until its parent asks for its end.
  return stat.state === "Z" || stat.state === "X" || (start !== "0" && stat.start !== start);
}

/** This does not use /proc, because /proc may hide the processes of other users. */
function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid === 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) !== "ESRCH";
  }
}

/**
 * proc(5): the second field is the program's name in brackets. It may contain anything, so the fields are counted from
 * the last bracket.
 */
function processStat(pid: string): { state: string; start: string } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // there is no /proc, or it is hidden: then only the number counts
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
    return ""; // this system has no namespaces
  }
}
