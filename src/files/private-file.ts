/** Reads a file with secrets, but only when no other user could have read or changed it. */
import { closeSync, constants, fstatSync, openSync, readSync, type BigIntStats } from "node:fs";
import { systemCodeOf } from "./system-code.js";
import { IscepError } from "../errors.js";

export interface PrivateFile {
  /** The name of the file in messages, such as `tokens file`. */
  readonly kind: string;
  readonly maxBytes: number;
  /** The name of the limit that gives `maxBytes`, for messages. */
  readonly limit: string;
  /** What a person must do when there is no such file. */
  readonly whenMissing: string;
}

export interface PrivateText {
  readonly text: string;
  /** Taken before the first byte was read. After a change during or after the reading, the next ones differ from these. */
  readonly stats: BigIntStats;
}

/** @throws IscepError `configuration`: missing, unreadable, too large, not UTF-8, or open to others */
export function readPrivateText(path: string, { kind, maxBytes, limit, whenMissing }: PrivateFile): PrivateText {
  const fail = (message: string, cause?: unknown): IscepError =>
    new IscepError("configuration", `${kind} ${path}: ${message}`, cause === undefined ? {} : { cause });
  let file: number;
  try {
    // Without O_NONBLOCK, a pipe with that name would stop the whole process.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    const missing = systemCodeOf(error) === "ENOENT";
    throw fail(missing ? `there is no such file; ${whenMissing}` : "it cannot be opened", error);
  }
  try {
    const stats = fstatSync(file, { bigint: true });
    if (!stats.isFile()) throw fail("it is not a file");
    checkAccess(path, stats, fail);
    if (stats.size > maxBytes) throw fail(`it has ${stats.size} bytes, and ${limit} is ${maxBytes}`);
    const bytes = readUpTo(file, maxBytes + 1, Number(stats.size));
    if (bytes.length > maxBytes) throw fail(`it has more than ${limit}, ${maxBytes}`);
    return { text: decode(bytes, fail), stats };
  } finally {
    closeSync(file);
  }
}

function checkAccess(path: string, stats: BigIntStats, fail: (message: string) => IscepError): void {
  const user = process.getuid?.();
  if (user === undefined) return; // Windows has neither modes nor numbers of users
  if ((stats.mode & 0o077n) !== 0n) {
    const mode = (stats.mode & 0o777n).toString(8).padStart(4, "0");
    throw fail(`other users can read or change it (mode ${mode}); close it with: chmod 600 ${path}`);
  }
  if (user !== 0 && stats.uid !== BigInt(user)) {
    throw fail(
      `it belongs to another user (${stats.uid}, and this process is ${user}); it must belong to the server's user`,
    );
  }
}

function readUpTo(file: number, limit: number, expected: number): Buffer {
  let buffer = Buffer.alloc(Math.min(expected + 1, limit));
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      if (length >= limit) return buffer;
      buffer = Buffer.concat([buffer], Math.min(buffer.length * 2, limit));
    }
    const count = readSync(file, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
  }
}

function decode(bytes: Buffer, fail: (message: string, cause?: unknown) => IscepError): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw fail("it is not UTF-8", error);
  }
}
