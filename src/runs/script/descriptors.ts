/**
 * Gives a program bytes that it reads from an open descriptor. It is a file without a name, and not a pipe: Node's
 * pipes are sockets, which cannot be opened as /dev/fd/N. A pipe must also be written to while the program runs, and
 * this file is complete before.
 */
import { randomBytes } from "node:crypto";
import { closeSync, constants, existsSync, fchownSync, openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** This folder is in memory, where it exists, so the bytes never get to a disk. */
const memoryFolder = "/dev/shm";

export interface DescriptorOwner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Opens the file for reading, at its beginning. Only a process with the descriptor can read it, because the name is
 * gone before this returns. The caller closes it when the program has started.
 * @param owner the user that may open it again as /dev/fd/N, when the program runs as another user
 */
export function openDescriptor(bytes: Uint8Array, owner?: DescriptorOwner): number {
  const folder = existsSync(memoryFolder) ? memoryFolder : tmpdir();
  const file = path.join(folder, `iscep-${randomBytes(16).toString("hex")}`);
  const writer = openSync(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o400);
  try {
    const reader = openSync(file, constants.O_RDONLY);
    try {
      unlinkSync(file);
      if (owner !== undefined) fchownSync(writer, owner.uid, owner.gid);
      writeAll(writer, bytes);
      return reader;
    } catch (error) {
      closeSync(reader);
      throw error;
    }
  } catch (error) {
    unlinkIfThere(file);
    throw error;
  } finally {
    closeSync(writer);
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) written += writeSync(descriptor, bytes, written);
}

function unlinkIfThere(file: string): void {
  if (existsSync(file)) unlinkSync(file);
}
