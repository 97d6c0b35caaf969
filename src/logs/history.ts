/** Reads the commands log back, for runs that have a line at their start and one at their end. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { systemCodeOf } from "../files/system-code.js";
import type { Steps } from "../files/in-turns.js";
import { keptArgumentsIn, type KeptArguments } from "../model/run-record.js";
import { filesBefore } from "./rotated-files.js";

export interface LoggedRun extends Partial<KeptArguments> {
  readonly runId: string;
  readonly command: string;
  readonly owner: string;
  readonly tokenId: string | null;
  readonly source: string;
  readonly startedAtMs: number;
  readonly server: string;
  /** undefined while the run goes on, or when nobody saw its end. */
  readonly end: LoggedEnd | undefined;
}

export interface LoggedEnd {
  readonly endedAtMs: number;
  readonly status: string;
  readonly code?: string;
  readonly exitCode?: number;
  readonly signal?: string;
  readonly outputBytes: number;
}

export interface LoggedHistory {
  readonly runs: ReadonlyMap<string, LoggedRun>;
  /** How many lines are not a complete JSON object, after a crash or a full disk. */
  readonly badLines: number;
}

const marker = Buffer.from('"server":"');
const newline = 0x0a;

/** One system call reads at most this much. */
const readBytes = 1024 * 1024;

/**
 * Reads the newest `maxBytes` of the log and of its files before. Most lines are of calls that ended at once; these are
 * skipped without parsing.
 */
export function* readHistory(path: string, maxBytes: number): Steps<LoggedHistory> {
  const runs = new Map<string, LoggedRun>();
  let badLines = 0;
  let left = maxBytes;
  for (const file of [path, ...filesBefore(path)]) {
    if (left <= 0) break;
    const bytes = yield* tailOf(file, left);
    left -= bytes.length;
    let lineEnd = bytes.lastIndexOf(newline);
    if (lineEnd !== bytes.length - 1) badLines++;
    while (lineEnd > 0) {
      const start = bytes.lastIndexOf(newline, lineEnd - 1) + 1;
      const line = bytes.subarray(start, lineEnd);
      const isCut = start === 0 && left <= 0;
      if (line[0] !== 0x7b || line.at(-1) !== 0x7d) badLines += isCut ? 0 : 1;
      else if (line.includes(marker) && !take(line, runs)) badLines++;
      lineEnd = start - 1;
      yield;
    }
  }
  return { runs, badLines };
}

function* tailOf(path: string, maxBytes: number): Steps<Buffer> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return Buffer.alloc(0); // a link to a pipe or terminal
    const length = Math.min(stats.size, maxBytes);
    const bytes = Buffer.alloc(length);
    let count = 0;
    for (let more = -1; more !== 0 && count < length; count += more) {
      more = readSync(file, bytes, count, Math.min(readBytes, length - count), stats.size - length + count);
      yield;
    }
    return bytes.subarray(0, count);
  } finally {
    closeSync(file);
  }
}

/**
 * Reads from the newest line to the oldest, so an end comes before its start. Returns false when the line is not JSON.
 */
function take(line: Buffer, runs: Map<string, LoggedRun>): boolean {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line.toString()) as Record<string, unknown>;
  } catch {
    return false;
  }
  const { runId, command, owner, tokenId, source, start, time, status, server, outputBytes } = fields;
  const isText = [runId, command, owner, source, start, time, status, server].every(
    (value) => typeof value === "string",
  );
  if (!isText) return true; // of a call that was over at once, whose arguments have a name like that
  const id = String(runId);
  const known = runs.get(id);
  if (known !== undefined) return true;
  const { code, exitCode, signal } = fields;
  const end: LoggedEnd | undefined =
    status === "running"
      ? undefined
      : {
          endedAtMs: Date.parse(String(time)),
          status: String(status),
          ...(typeof code === "string" ? { code } : {}),
          ...(typeof exitCode === "number" ? { exitCode } : {}),
          ...(typeof signal === "string" ? { signal } : {}),
          outputBytes: typeof outputBytes === "number" ? outputBytes : 0,
        };
  runs.set(id, {
    runId: id,
    command: String(command),
    owner: String(owner),
    tokenId: typeof tokenId === "string" ? tokenId : null,
    source: String(source),
    startedAtMs: Date.parse(String(start)),
    server: String(server),
    ...keptArgumentsIn(fields),
    end,
  });
  return true;
}
