/** Reads from /proc what the system knows about its processes, and finds which of them belong to a run. */
import { readdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { readLaterWithReserve, readWithReserve } from "../../files/reserved-descriptor.js";
import { isShortage } from "../../files/shortage.js";
import { limitTable } from "../../limits/limits.js";

export interface ProcessEntry {
  readonly pid: number;
  /** The pid together with the start time names a process. The pid alone may belong to another process later. */
  readonly startTicks: string;
  readonly parentPid: number;
  readonly groupId: number;
  /** The value of ISCEP_RUN with which it was started. */
  readonly runId: string | undefined;
}

/** The living processes by pid. A zombie has ended, and only waits for its parent. */
export type ProcessScan = ReadonlyMap<number, ProcessEntry>;

let underWay: Promise<unknown> = Promise.resolve();
let next: Promise<ProcessScan | undefined> | undefined;
let nextSinceTicks = Number.POSITIVE_INFINITY;

/**
 * All processes that existed when this was called; undefined when there is no /proc. Only one scan runs at a time.
 * Calls during a scan share the next one, because the present one may have missed what started meanwhile.
 * @param sinceTicks processes that started before this belong to none of the wanted runs, so their variables are not
 *   read
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
    names = readWithReserve(() => readdirSync("/proc"));
  } catch {
    return undefined;
  }
  const pids = names.filter((name) => /^\d+$/.test(name));
  if (pids.length === 0) return undefined;
  const found = new Map<number, ProcessEntry>();
  for (const [index, pid] of pids.entries()) {
    // It reads for a few milliseconds at a time, because others have work to do too.
    if (index % statsAtOnce === statsAtOnce - 1) await new Promise((resolve) => setImmediate(resolve));
    const entry = readStat(pid);
    if (entry !== undefined) found.set(entry.pid, { ...entry, runId: undefined });
  }
  await readRunIds(found, sinceTicks);
  return found;
}

const statsAtOnce = 100;
/** Each read takes a thread of Node's pool, which also serves files and name look-ups. */
const readersAtOnce = 3;
const ticksOfTimeout = 20;

async function readRunIds(found: Map<number, ProcessEntry>, sinceTicks: number): Promise<void> {
  // Processes of the kernel have no variables. Their parent is kthreadd.
  const waiting = [...found.values()].filter(
    ({ pid, parentPid, startTicks }) => parentPid !== 2 && pid !== 2 && Number(startTicks) >= sinceTicks,
  );
  const startedAtMs = performance.now();
  const readers = Array.from({ length: readersAtOnce }, async () => {
    for (let entry = waiting.pop(); entry !== undefined; entry = waiting.pop()) {
      const runId = await readRunId(String(entry.pid), startedAtMs);
      if (runId !== undefined) found.set(entry.pid, { ...entry, runId });
    }
  });
  let ticks = 0;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    // A thread that stood still for seconds has one late tick, and then hears what was read meanwhile. With one timer for the
    // whole time it would take all processes for stuck ones, and leave those of a run alive.
    const tick = (): void => void (++ticks >= ticksOfTimeout && resolve());
    timer = setInterval(tick, limitTable.processScanTimeoutMs.default / ticksOfTimeout);
  });
  await Promise.race([Promise.all(readers), late]);
  clearInterval(timer);
  // A reader that still runs finds nothing more to read.
  waiting.length = 0;
}

/**
 * A read from a process that is stuck in the kernel may never return. Such reads must hold no more than one thread of
 * Node's pool.
 */
const beingRead = new Set<string>();

async function readRunId(pid: string, startedAtMs: number): Promise<string | undefined> {
  if (beingRead.has(pid)) return undefined;
  beingRead.add(pid);
  try {
    for (let looks = 0; ; looks++) {
      try {
        const environment = await readLaterWithReserve(() => readFile(`/proc/${pid}/environ`, "latin1"));
        if (environment !== "" || isWithoutVariables(pid) || looks >= maxBecomingLooks)
          return /(?:^|\0)ISCEP_RUN=([^\0]*)/.exec(environment)?.[1];
        await pause(becomingPauseMs);
      } catch (error) {
        // Without a shortage it is another user's. In one, the run's processes are still found by their parents.
        if (!isShortage(error) || performance.now() >= startedAtMs + maxShortageMs) return undefined;
        await pause(shortagePauseMs);
      }
    }
  } finally {
    beingRead.delete(pid);
  }
}

/**
 * A process that becomes another program at this moment (execve(2)) shows no variables, and it may lose the processor
 * there. It is told from one that was started without any by where they begin and end in its memory, and by where its code
 * begins, which Linux sets last (proc_pid_stat(5)).
 */
function isWithoutVariables(pid: string): boolean {
  const fields = readStatFields(pid);
  return fields === undefined || (fields[47] === fields[48] && fields[23] !== "0");
}

/** Other kernels may not tell where the variables are, and then a process that has none must not hold up a search for long. */
const maxBecomingLooks = 50;
const becomingPauseMs = 2;
const maxShortageMs = 300;
const shortagePauseMs = 20;

/**
 * The fields from the third one on, by one small read, which no lock of the process can block. undefined when there is no
 * such process, or only a zombie. The name in brackets may have brackets and spaces, so the fields begin after the last
 * bracket.
 */
function readStatFields(pid: number | string): readonly string[] | undefined {
  try {
    const stat = readWithReserve(() => readFileSync(`/proc/${pid}/stat`, "latin1"));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return "ZXx".includes(fields[0] ?? "X") ? undefined : fields;
  } catch {
    return undefined;
  }
}

function readStat(pid: number | string): Omit<ProcessEntry, "runId"> | undefined {
  const fields = readStatFields(pid);
  const startTicks = fields?.[19];
  if (fields === undefined || startTicks === undefined) return undefined;
  return { pid: Number(pid), startTicks, parentPid: Number(fields[1]), groupId: Number(fields[2]) };
}

/** The start time of the process that has this pid now. */
export function startTicksOf(pid: number): number | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : Number(stat.startTicks);
}

/** True when the process still lives, and its pid does not belong to another one. */
export function isSameProcess(entry: ProcessEntry): boolean {
  return currentGroup(entry) !== undefined;
}

/** The group that the process is in now; undefined when it has ended. */
export function currentGroup(entry: ProcessEntry): number | undefined {
  const now = readStat(entry.pid);
  return now?.startTicks === entry.startTicks ? now.groupId : undefined;
}

/** These roots and everything that descends from them, except this process and what else it has started. */
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
