/** What the system knows about its processes, from /proc; and which of them belong to a run. */
import { readFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { limitTable } from "../../limits/limits.js";

export interface ProcessEntry {
  readonly pid: number;
  /** With its start a process is the same one; its pid alone may be another's by now. */
  readonly startTicks: string;
  readonly parentPid: number;
  readonly groupId: number;
  /** The value of ISCEP_RUN that it was started with. */
  readonly runId: string | undefined;
}

/** Living processes by pid: a zombie has ended, and only waits for its parent to ask. */
export type ProcessScan = ReadonlyMap<number, ProcessEntry>;

let underWay: Promise<unknown> = Promise.resolve();
let next: Promise<ProcessScan | undefined> | undefined;
let nextSinceTicks = Number.POSITIVE_INFINITY;

/**
 * All processes that were there when this was called, or undefined where there is no /proc. One scan at a time: all who
 * ask while it goes on share the next one, as it may have passed by what started meanwhile.
 * @param sinceTicks what started before belongs to none of the runs that are asked for: its variable is not looked at
 */
export function scanProcesses(sinceTicks = 0): Promise<ProcessScan | undefined> {
  nextSinceTicks = Math.min(nextSinceTicks, sinceTicks);
  next ??= underWay.then(() => {
    const scan = scanNow(nextSinceTicks);
    next = undefined;
    nextSinceTicks = Number.POSITIVE_INFINITY;
    underWay = scan;
    return scan;
  });
  return next;
}

async function scanNow(sinceTicks: number): Promise<ProcessScan | undefined> {
  let names: string[];
  try {
    names = await readdir("/proc");
  } catch {
    return undefined;
  }
  const pids = names.filter((name) => /^\d+$/.test(name));
  if (pids.length === 0) return undefined;
  const found = new Map<number, ProcessEntry>();
  for (const [index, pid] of pids.entries()) {
    // Some milliseconds of reading at a time: others have work to do as well.
    if (index % statsAtOnce === statsAtOnce - 1) await new Promise((resolve) => setImmediate(resolve));
    const entry = readStat(pid);
    if (entry !== undefined) found.set(entry.pid, { ...entry, runId: undefined });
  }
  await readRunIds(found, sinceTicks);
  return found;
}

const statsAtOnce = 100;
/** Each takes a thread of Node's pool while it reads, and files and names are looked up by the same threads. */
const readersAtOnce = 3;

async function readRunIds(found: Map<number, ProcessEntry>, sinceTicks: number): Promise<void> {
  // What the kernel runs by itself has none: the parent of these is kthreadd.
  const waiting = [...found.values()].filter(
    ({ pid, parentPid, startTicks }) => parentPid !== 2 && pid !== 2 && Number(startTicks) >= sinceTicks,
  );
  const readers = Array.from({ length: readersAtOnce }, async () => {
    for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
      const runId = await readRunId(String(entry.pid));
      if (runId !== undefined) found.set(entry.pid, { ...entry, runId });
    }
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitTable.processScanTimeoutMs.default)));
  await Promise.race([Promise.all(readers), late]);
  clearTimeout(timer);
  // Whoever still reads finds nothing more to read.
  waiting.length = 0;
}

/** A read of a process that is stuck in the kernel may never return: it shall hold no more than one thread of Node's pool. */
const beingRead = new Set<string>();

async function readRunId(pid: string): Promise<string | undefined> {
  if (beingRead.has(pid)) return undefined;
  beingRead.add(pid);
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    return /(?:^|\0)ISCEP_RUN=([^\0]*)/.exec(environment)?.[1];
  } catch {
    return undefined; // another user's
  } finally {
    beingRead.delete(pid);
  }
}

/** Undefined for a zombie. The name in brackets may hold brackets and spaces: what counts stands behind the last one. */
function parseStat(stat: string): Omit<ProcessEntry, "runId"> | undefined {
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, parentPid, groupId] = fields;
  const startTicks = fields[19];
  if (state === undefined || "ZXx".includes(state) || startTicks === undefined) return undefined;
  return { pid: Number.parseInt(stat, 10), startTicks, parentPid: Number(parentPid), groupId: Number(groupId) };
}

/** One small read, which no lock of the process can hold; undefined when there is no such process. */
function readStat(pid: number | string): Omit<ProcessEntry, "runId"> | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return undefined;
  }
}

/** When the process started that has this pid now. */
export function startTicksOf(pid: number): number | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : Number(stat.startTicks);
}

/** Whether it still lives, and its pid has not become another's. */
export function isSameProcess(entry: ProcessEntry): boolean {
  return currentGroup(entry) !== undefined;
}

/** The group that it is in by now; undefined when it has ended. */
export function currentGroup(entry: ProcessEntry): number | undefined {
  const now = readStat(entry.pid);
  return now?.startTicks === entry.startTicks ? now.groupId : undefined;
}

/** Of these roots and all that descends from them, but for this process and what it has started otherwise. */
export function withDescendants(scan: ProcessScan, roots: Iterable<ProcessEntry>): Set<ProcessEntry> {
  const children = new Map<number, ProcessEntry[]>();
  for (const entry of scan.values()) {
    const siblings = children.get(entry.parentPid);
    if (siblings === undefined) children.set(entry.parentPid, [entry]);
    else siblings.push(entry);
  }
  const found = new Set<ProcessEntry>();
  const waiting = [...roots];
  for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
    if (entry.pid === process.pid || entry.pid <= 1 || found.has(entry)) continue;
    found.add(entry);
    waiting.push(...(children.get(entry.pid) ?? []));
  }
  return found;
}
