/**
 * The file of one run, `RUN.run`. It gets a line when the run begins, and at its end one line with how it ended and one
 * with its value. The first line is written before the command starts, so that after kill -9 every run is known.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { systemCodeOf } from "../files/system-code.js";
import { isShortage } from "../files/shortage.js";
import { isJsonObject, parseJson, type JsonLimits } from "../wire/json.js";
import { JsonText } from "../wire/json-text.js";
import type { EndedRun } from "../runs/run/ended-run.js";
import type { RunOutcome } from "../model/outcome.js";
import { keptArgumentsIn } from "../model/run-record.js";
import { outcomeOf, readEnd, type StoredEnd } from "./stored-outcome.js";

export interface RunStart extends EndedRun {
  /** The mark of its server's process. */
  readonly server: string;
  /** A hash of owner and key. */
  readonly key?: string;
  /** The fingerprint of the arguments: see src/runs/run/fingerprint.ts. */
  readonly fingerprint?: string;
  /** The id that its processes have, if it joined the work of another run. */
  readonly processes?: string;
}

// This fits both lines, with names of usual length. Longer lines need a second read.
const headBytes = 4 * 1024;

const fileName = /^([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\.run$/;

export function fileOfRun(run: string): string {
  return `${run}.run`;
}

/** undefined for a file that does not belong to a run. */
export function runOfFile(name: string): string | undefined {
  return fileName.exec(name)?.[1];
}

/** Returns how many bytes were written. @throws what the system says; then there is no file */
export function writeStart(path: string, start: RunStart): number {
  const file = openSync(path, "wx", 0o600);
  try {
    return append(file, `${JSON.stringify(start)}\n`);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(file);
  }
}

/** Returns how many bytes were added. @throws what the system says; then nothing was added */
export function appendEnd(path: string, lines: string): number {
  const file = openSync(path, "a", 0o600);
  try {
    return append(file, lines);
  } finally {
    closeSync(file);
  }
}

/**
 * Writes all of the text or nothing. A full disk takes a part of it, which would be no line for a reader, and would take
 * the room that somebody makes there.
 */
function append(file: number, text: string): number {
  const bytes = Buffer.from(text);
  const before = fstatSync(file).size;
  let written = 0;
  try {
    while (written < bytes.length) written += writeSync(file, bytes, written);
  } catch (error) {
    cutBack(file, before, before + written);
    throw error;
  }
  return written;
}

/** Another server may have added a line behind the part, as when it takes the run for lost. Then all of it stays. */
function cutBack(file: number, size: number, sizeWithPart: number): void {
  try {
    if (fstatSync(file).size === sizeWithPart) ftruncateSync(file, size);
  } catch {
    // The caller gets the error of the write. Who writes again begins with a newline, which ends the part.
  }
}

export interface ReadRun {
  readonly start: RunStart | undefined;
  readonly end: StoredEnd | undefined;
}

/**
 * What the file says, without the value. `start` is undefined when it is not the file of a run, or when there is none any
 * more: another server may remove a run at any moment.
 */
export function readRunFile(path: string): ReadRun {
  try {
    return readLines(path);
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return { start: undefined, end: undefined };
    throw error;
  }
}

function readLines(path: string): ReadRun {
  const { text, isWhole } = headOf(path);
  const [first, ...rest] = wholeLines(text);
  const end = endAmong(rest)?.end;
  const start = readStart(parsed(first));
  if (isWhole || (end !== undefined && end.status !== "lost")) return { start, end };
  const [firstOfAll, ...all] = wholeLines(readFileSync(path, "utf8"));
  return { start: readStart(parsed(firstOfAll)), end: endAmong(all)?.end };
}

/**
 * The end that counts, and the line behind it. Another server may have reported the run as lost while its own server
 * could not be seen. What its own server wrote counts more, whichever came first. It writes an end again of which the
 * disk took only a part, so its last one is whole.
 */
function endAmong(
  lines: readonly (string | undefined)[],
): { readonly end: StoredEnd; readonly next: string | undefined } | undefined {
  const found = lines.flatMap((line, index) => {
    const end = readEnd(parsed(line));
    return end === undefined ? [] : [{ end, next: lines[index + 1] }];
  });
  return found.findLast(({ end }) => end.status !== "lost") ?? found[0];
}

function headOf(path: string): { readonly text: string; readonly isWhole: boolean } {
  const bytes = Buffer.allocUnsafe(headBytes);
  const file = openSync(path, "r");
  try {
    const count = readSync(file, bytes, 0, headBytes, 0);
    return { text: bytes.toString("utf8", 0, count), isWhole: count < headBytes };
  } finally {
    closeSync(file);
  }
}

/** Text without a newline behind it is an incomplete line. */
function wholeLines(text: string): (string | undefined)[] {
  return text.split("\n").slice(0, -1);
}

function readStart(line: unknown): RunStart | undefined {
  if (!isJsonObject(line)) return undefined;
  const { run, command, owner, tokenId, source, startedAtMs, server, key, fingerprint, processes } = line;
  if (typeof run !== "string" || typeof command !== "string" || typeof owner !== "string") return undefined;
  if (typeof startedAtMs !== "number" || typeof server !== "string" || typeof source !== "string") return undefined;
  const token = typeof tokenId === "string" ? tokenId : null;
  return {
    run,
    command,
    owner,
    tokenId: token,
    source,
    startedAtMs,
    server,
    ...(typeof key === "string" ? { key } : {}),
    ...(typeof fingerprint === "string" ? { fingerprint } : {}),
    ...(typeof processes === "string" ? { processes } : {}),
    ...keptArgumentsIn(line),
  };
}

function parsed(line: string | undefined): unknown {
  if (line === undefined) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // not written by us, or damaged: as if it were not there
  }
}

/** How the run ended, with its value. @throws as `readValue` */
export function readOutcome(path: string, end: StoredEnd, limits: JsonLimits): RunOutcome {
  if (end.value !== "next") return outcomeOf(end, undefined, end.value === "gone");
  const kept = readValue(path, limits);
  return outcomeOf(end, kept, kept === undefined);
}

/**
 * The value of a run that has one. undefined when the value is not complete, or the file was removed.
 * @throws what the system says when descriptors or memory ran out
 */
export function readValue(path: string, limits: JsonLimits): JsonText | undefined {
  try {
    const text = endAmong(wholeLines(readFileSync(path, "utf8")))?.next;
    if (text === undefined) return undefined;
    parseJson(Buffer.from(text), limits);
    return new JsonText(text);
  } catch (error) {
    if (isShortage(error)) throw error;
    return undefined; // the run says then that its value is gone
  }
}
