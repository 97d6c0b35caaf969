/**
 * The pipes that a program writes its output to. Node gives a program sockets, which nobody can open by their paths, so
 * `echo … > /dev/stderr` fails there. These are named pipes whose name is gone before the program starts: /dev/stdout,
 * /dev/stderr, /dev/fd/1 and /proc/self/fd/2 open them again. Node cannot make one, and mkfifo makes many at once.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fchownSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  unlinkSync,
} from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { systemCodeOf } from "../../files/system-code.js";
import { isProcessGone, ownProcessMark } from "../../files/process-mark.js";
import type { DescriptorOwner } from "./descriptors.js";

export interface OutputPipe {
  readonly reader: Socket;
  /** The caller closes it when the program has started. */
  readonly writeEnd: number;
}

const batchSize = 64;
const prefix = "iscep-pipes-";
const memoryFolder = "/dev/shm";

let folder: string | undefined;
let names: string[] = [];
let count = 0;
let isMaking = false;
let canMake = process.platform === "linux";

/**
 * undefined where the system has no mkfifo, or cannot start it now: then the program gets what Node gives it.
 * @param owner the user that may open it again by its path, when the program runs as another user
 * @throws what the system says, such as EMFILE
 */
export function openOutputPipe(owner?: DescriptorOwner): OutputPipe | undefined {
  try {
    return openNext(owner);
  } catch (error) {
    if (!isMissing(error)) throw error;
    // Somebody has removed the folder, as systemd does when the last session of a user ends (RemoveIPC of logind.conf).
    names = names.filter((name) => existsSync(name));
    return openNext(owner);
  }
}

/** A pipe that could not be opened is kept for the next attempt. */
function openNext(owner: DescriptorOwner | undefined): OutputPipe | undefined {
  makeMore();
  const name = names.at(-1);
  if (name === undefined) return undefined;
  const opened: number[] = [];
  const open = (flags: number): number => {
    const descriptor = openSync(name, flags);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    // A reader that does not wait for a writer comes first. Then the writer has a reader.
    const readEnd = open(constants.O_RDONLY | constants.O_NONBLOCK);
    const writeEnd = open(constants.O_WRONLY);
    if (owner !== undefined) fchownSync(writeEnd, owner.uid, owner.gid);
    unlinkSync(name);
    names.pop();
    return { reader: new Socket({ fd: readEnd, readable: true, writable: false }), writeEnd };
  } catch (error) {
    for (const descriptor of opened) closeSync(descriptor);
    throw error;
  }
}

/** Makes more pipes: at once when none is left, and otherwise in advance, which takes no time from a run. */
function makeMore(): void {
  if (!canMake || names.length > batchSize / 2) return;
  if (names.length === 0) {
    const wanted = newNames();
    const { status, error } = spawnSync("mkfifo", ["-m", "600", ...wanted], { stdio: "ignore" });
    if (status === 0) names.push(...wanted);
    // Any other failure, such as too few descriptors, may be over the next time.
    else if (isMissing(error)) canMake = false;
  } else if (!isMaking) {
    isMaking = true;
    const wanted = newNames();
    const child = spawn("mkfifo", ["-m", "600", ...wanted], { stdio: "ignore" });
    child.once("error", () => (isMaking = false));
    child.once("exit", (code) => {
      isMaking = false;
      if (code === 0) names.push(...wanted);
    });
  }
}

function isMissing(error: unknown): boolean {
  return systemCodeOf(error) === "ENOENT";
}

function newNames(): string[] {
  const parent = existsSync(memoryFolder) ? memoryFolder : tmpdir();
  const made = folder !== undefined && existsSync(folder) ? folder : openFolder(parent);
  folder = made;
  return Array.from({ length: batchSize }, () => path.join(made, String(count++)));
}

/**
 * Makes a folder that is closed to other users. It is removed when this process ends, or by the next one if this one is
 * killed.
 */
function openFolder(parent: string): string {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue;
    const mark = name.slice(prefix.length, name.lastIndexOf("-"));
    if (isProcessGone(mark)) removeIfOurs(path.join(parent, name));
  }
  const made = mkdtempSync(path.join(parent, `${prefix}${ownProcessMark()}-`));
  process.off("exit", removeOwn);
  process.once("exit", removeOwn);
  return made;
}

function removeOwn(): void {
  if (folder !== undefined) removeIfOurs(folder);
}

function removeIfOurs(made: string): void {
  try {
    rmSync(made, { recursive: true, force: true });
  } catch {
    // The folder belongs to another user, whose next server removes it.
  }
}
