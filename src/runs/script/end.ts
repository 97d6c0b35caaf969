/** Ends everything that a run has started: SIGTERM, time to end, and SIGKILL, wherever its processes have gone. */
import { setTimeout as sleep } from "node:timers/promises";
import { systemCodeOf } from "../../files/system-code.js";
import { limitTable } from "../../limits/limits.js";
import { signalGroup } from "./start.js";
import {
  currentGroup,
  isSameProcess,
  scanProcesses,
  startTicksOf,
  withDescendants,
  type ProcessEntry,
  type ProcessScan,
} from "./scan.js";

export interface ProcessesToEnd {
  /** The value of ISCEP_RUN that all processes of the run have, however they were forked. */
  readonly runId: string;
  /** The process that leads the run's group; undefined when it belonged to another server. */
  readonly leader?: {
    readonly pid: number;
    /** True until Node has taken its exit status. Until then no other process can get its pid. */
    isThere(): boolean;
  };
}

/** Ends what is left of runs of a server that is gone. Resolves when nothing is left that this process may end. */
export async function endProcessesOfRuns(
  runIds: ReadonlySet<string>,
  killGraceMs: number = limitTable.killGraceMs.default,
): Promise<void> {
  // The runs share their scans, because all ask at the same moments.
  await Promise.all([...runIds].map((runId) => endProcesses({ runId }, killGraceMs)));
}

/** Resolves when nothing is left, or when even SIGKILL does not end the rest. Never rejects. */
export async function endProcesses(target: ProcessesToEnd, killGraceMs: number): Promise<void> {
  const tree = new RunTree(target);
  const killAtMs = performance.now() + killGraceMs;
  // Each round looks first and signals then, because a process whose parent has ended can no longer be found by its parent.
  while (await tree.look()) {
    if (performance.now() >= killAtMs) break;
    tree.signal("SIGTERM");
    await tree.gone(killAtMs);
  }
  // A process that forks faster than the search is found again in the next round.
  for (let round = 0; round < killRounds && (await tree.look()); round++) {
    // A stopped process forks no more. Otherwise, a child that is forked between the look and the end of its parent
    // could not be found.
    for (let stops = 0; stops < stopRounds && tree.signal("SIGSTOP"); stops++) await tree.look();
    tree.signal("SIGKILL");
    await tree.gone(performance.now() + roundMs);
  }
}

const killRounds = 5;
const stopRounds = 5;
/** A process that is stuck in the kernel ends neither within a round nor after all of them. */
const roundMs = 200;
const maxPauseMs = 50;

class RunTree {
  readonly #target: ProcessesToEnd;
  /**
   * The processes by pid. A process that was once seen to belong to the run stays known when its variable or its parent
   * is gone.
   */
  readonly #known = new Map<number, ProcessEntry>();
  readonly #told = new Set<string>();
  /** Processes that belong to another user now. They cannot be ended from here, and are not waited for. */
  readonly #foreign = new Set<string>();
  readonly #sinceTicks: number;
  #groupTold = false;
  #hasProc = true;

  constructor(target: ProcessesToEnd) {
    this.#target = target;
    const { leader } = target;
    // The leader started all others. If its start is not known any more, all processes are checked.
    this.#sinceTicks = leader?.isThere() === true ? (startTicksOf(leader.pid) ?? 0) : 0;
  }

  /** Looks through all processes. Returns false when none of the run is left. */
  async look(): Promise<boolean> {
    const scan = await scanProcesses(this.#sinceTicks);
    this.#hasProc = scan !== undefined;
    if (scan === undefined) return this.#groupLives();
    const found = withDescendants(scan, this.#roots(scan));
    this.#known.clear();
    for (const entry of found) if (!this.#foreign.has(identityOf(entry))) this.#known.set(entry.pid, entry);
    return this.#known.size > 0;
  }

  *#roots(scan: ProcessScan): Generator<ProcessEntry> {
    const { runId, leader } = this.#target;
    const groupId = leader?.isThere() === true ? leader.pid : undefined;
    for (const entry of scan.values()) {
      const known = this.#known.get(entry.pid);
      if (entry.runId === runId || entry.groupId === groupId || known?.startTicks === entry.startTicks) yield entry;
    }
  }

  /**
   * Each process gets only one SIGTERM, because some programs treat a second one as a wish to end without cleaning up, and
   * one SIGSTOP. Returns whether there was a process that had not got this signal before.
   */
  signal(signal: "SIGTERM" | "SIGSTOP" | "SIGKILL"): boolean {
    let isNew = false;
    const { leader } = this.#target;
    // The group gets the signal at once, so that none of its processes forks meanwhile. This is done only while the
    // leader is there, because the number of a group that is gone may belong to another group.
    const byGroup = leader !== undefined && (leader.isThere() || !this.#hasProc) ? leader.pid : undefined;
    const toldGroup = signal !== "SIGTERM" || !this.#groupTold ? byGroup : undefined;
    if (toldGroup !== undefined) signalGroup(toldGroup, signal);
    for (const entry of this.#known.values()) {
      const identity = identityOf(entry);
      if (signal !== "SIGKILL") {
        if (this.#told.has(`${signal} ${identity}`)) continue;
        this.#told.add(`${signal} ${identity}`);
      }
      isNew = true;
      // Each process is checked again right before its signal. Since the scan, its pid may have become that of another
      // process, or it may have left the group before the group got the signal.
      const groupId = currentGroup(entry);
      if (groupId === undefined || groupId === toldGroup) continue;
      try {
        process.kill(entry.pid, signal);
      } catch (error) {
        if (systemCodeOf(error) === "EPERM") this.#foreign.add(identity);
      }
    }
    this.#groupTold = true;
    return isNew;
  }

  /** Waits until the known processes have ended, but no longer than this. */
  async gone(deadlineMs: number): Promise<void> {
    for (let pauseMs = 1; this.#anyLives(); pauseMs = Math.min(2 * pauseMs, maxPauseMs)) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return;
      await sleep(Math.min(pauseMs, leftMs));
    }
  }

  #anyLives(): boolean {
    if (!this.#hasProc) return this.#groupLives();
    for (const entry of this.#known.values()) {
      if (!this.#foreign.has(identityOf(entry)) && isSameProcess(entry)) return true;
    }
    return false;
  }

  #groupLives(): boolean {
    const { leader } = this.#target;
    return leader !== undefined && signalGroup(leader.pid, 0);
  }
}

function identityOf(entry: ProcessEntry): string {
  return `${entry.pid} ${entry.startTicks}`;
}
