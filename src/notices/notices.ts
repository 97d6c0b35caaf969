/**
 * Tells others that runs have ended, by a script or a request. Nothing here makes a run wait. How many notices there
 * are at once, how many wait, and how long each takes is bounded, and what goes wrong is a line of the error log.
 */
import { within } from "../waiting/within.js";
import { IscepError, isIscepError, textOfThrown, toIscepError } from "../errors.js";
import type { Registry } from "../commands/registry.js";
import type { Limits } from "../limits/limits.js";
import { systemClock } from "../logs/clock.js";
import { oncePerInterval } from "../logs/files.js";
import type { Metrics } from "../metrics/metrics.js";
import type { Notice } from "../model/command.js";
import { scheduler } from "../model/identity.js";
import type { Logs } from "../model/logs.js";
import type { RunOutcome } from "../model/outcome.js";
import type { RunRecord } from "../model/run-record.js";
import { recordOfRun } from "../runs/run/record.js";
import { createRunId } from "../runs/run/run-id.js";
import type { Run } from "../runs/run/run.js";
import { runScript } from "../runs/script/run-script.js";
import type { RunOutput } from "../runs/streams/output.js";
import { factsOfRecord, factsOfRun, stderrInFiles, type RunFacts } from "./facts.js";
import { KeptNotices } from "./kept-notices.js";
import { sendNotice } from "./request.js";
import { WaitingCounts } from "./waiting-counts.js";

export interface NoticesOptions {
  readonly limits: Limits;
  readonly logs: Logs | undefined;
  readonly registry: Pick<Registry, "get">;
  /** The notices for commands that have none of their own. */
  readonly all: readonly Notice[];
  /** Counts notices. */
  readonly metrics: Pick<Metrics, "notices">;
  /** The runs folder, in which notices outlive the server. */
  readonly folder: string | undefined;
}

interface Pending {
  readonly id: string;
  readonly notice: Notice;
  readonly facts: RunFacts;
  /** True when the notice has a file. */
  isKept: boolean;
  tries: number;
}

const lostMessage = "the server ended while it was under way, and nobody knows how far it came";

/** A script that is ended at the close of the server has this long after SIGTERM. */
const closingKillGraceMs = 500;

export class Notices {
  readonly #options: NoticesOptions;
  readonly #kept: KeptNotices | undefined;
  readonly #ready: Pending[] = [];
  /** The notices that wait for their next try. */
  readonly #later = new Map<Pending, NodeJS.Timeout>();
  readonly #waiting = new WaitingCounts();
  readonly #underWay = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  /** Ids of notices that earlier servers left. A run may be found to be lost after its notice was written. */
  readonly #takenOver = new Set<string>();
  #isGone: ((server: string) => boolean) | undefined;
  #looking: NodeJS.Timeout | undefined;
  #isPumping = false;
  #isClosed = false;
  #droppedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: NoticesOptions) {
    this.#options = options;
    const tell = (message: string, error: unknown): void => this.#log({ message, error });
    // A folder that fails does so for every run.
    const onProblem = oncePerInterval(tell, options.limits.logProblemIntervalMs, systemClock);
    this.#kept = options.folder === undefined ? undefined : new KeptNotices(options.folder, onProblem);
  }

  get waiting(): number {
    return this.#waiting.all;
  }

  /** The notices of runs of this command. undefined: there are none. */
  of(command: { readonly notify?: readonly Notice[] } | undefined): readonly Notice[] | undefined {
    const notices = command?.notify ?? this.#options.all;
    return notices.length === 0 ? undefined : notices;
  }

  /** The run has its outcome, which is not written yet. So a server that is killed now gives the notice later. */
  ended(run: Run, outcome: RunOutcome): void {
    const { status } = outcome;
    // A caller hears that the call is refused. A schedule has no caller who could hear it.
    if (status === "rejected" && run.identity.owner !== scheduler.owner) return;
    if (run.notices?.some(({ statuses }) => statuses.has(status)) !== true) return;
    // To look for the end of standard error takes longer than a run may be held up by each of thousands that fail.
    if (!this.#hasRoom(run.identity.owner)) this.#drop(recordOfRun(run));
    else this.#takeAll(run.notices, factsOfRun(run, outcome, this.#options.limits));
  }

  #takeAll(notices: readonly Notice[], facts: RunFacts): void {
    for (const [index, notice] of notices.entries()) {
      const id = idOf(facts.run, index);
      if (!notice.statuses.has(facts.status) || this.#takenOver.has(id)) continue;
      if (this.#hasRoom(facts.owner)) this.#take(id, notice, facts);
      else this.#drop(facts);
    }
  }

  #hasRoom(owner: string): boolean {
    return this.#waiting.hasRoom(owner, this.#options.limits.maxQueuedNotices);
  }

  /** A run of a server that is gone was found to be lost. @param output what is in its files */
  lost(record: RunRecord, output: RunOutput | undefined): void {
    const { limits, registry } = this.#options;
    const notices = this.of(registry.get(record.command)) ?? [];
    if (!notices.some(({ statuses }) => statuses.has(record.status))) return;
    const facts = factsOfRecord({ ...record, message: lostMessage }, "");
    if (output === undefined || output.end === 0) this.#takeAll(notices, facts);
    else {
      const read = stderrInFiles(output, limits.noticeTimeoutMs, limits).then((stderr) =>
        this.#takeAll(notices, { ...facts, stderr }),
      );
      this.#follow(read);
    }
    // The same server may have left notices.
    this.#lookSoon();
  }

  /** Takes over what servers that are gone have left, now and whenever one is found to be gone. */
  begin(isGone: (server: string) => boolean): void {
    this.#isGone = isGone;
    this.#takeOver();
    if (this.#kept === undefined) return;
    // A server of another container counts as gone only after a while, and another one may close meanwhile.
    this.#looking = setInterval(() => void this.#lookAgain(), this.#options.limits.serverLeaseMs).unref();
  }

  async #lookAgain(): Promise<void> {
    // Without notices, nothing holds up the event loop. A folder that cannot be read is told of by those who write there.
    if ((await this.#kept?.areThere().catch(() => false)) === true) this.#takeOver();
  }

  #lookSoon(): void {
    setImmediate(() => this.#takeOver());
  }

  #takeOver(): void {
    if (this.#isClosed || this.#isGone === undefined) return;
    try {
      for (const { id, key, facts } of this.#kept?.takeOver(this.#isGone) ?? []) {
        const notice = this.of(this.#options.registry.get(facts.command))?.find((one) => one.key === key);
        this.#takenOver.add(id);
        if (notice !== undefined) this.#take(id, notice, facts);
        else
          this.#log({ message: "a notice that an earlier server left is no longer defined, and was not given", facts });
      }
    } catch (error) {
      this.#log({ message: "notices of an earlier server cannot be read", error });
    }
  }

  #take(id: string, notice: Notice, facts: RunFacts): void {
    const isKept = this.#kept?.keep({ id, key: notice.key, facts }) === true;
    this.#queue({ id, notice, facts, isKept, tries: 0 });
  }

  #queue(pending: Pending): void {
    this.#ready.push(pending);
    this.#waiting.add(pending.facts.owner);
    this.#pumpSoon();
  }

  /** What is dropped is counted, so that thousands of failing runs do not fill the log too. */
  #drop(facts: RunRecord): void {
    const { notices } = this.#options.metrics;
    notices.dropped++;
    const { logProblemIntervalMs, maxQueuedNotices } = this.#options.limits;
    const { all } = this.#waiting;
    const nowMs = performance.now();
    if (nowMs - this.#droppedAtMs < logProblemIntervalMs) return;
    this.#droppedAtMs = nowMs;
    const message = `${notices.dropped} notices were dropped so far; ${all} wait, and one owner may have as many as are free (maxQueuedNotices, ${maxQueuedNotices})`;
    this.#log({ message, facts });
  }

  /** Starts notices in a later turn, because the run that has just ended comes first. */
  #pumpSoon(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      while (!this.#isClosed && this.#underWay.size < this.#options.limits.maxNotices) {
        const pending = this.#ready.shift();
        if (pending === undefined) return;
        this.#waiting.remove(pending.facts.owner);
        this.#follow(this.#give(pending));
      }
    });
  }

  #follow(work: Promise<void>): void {
    const followed = work
      .catch((error: unknown) => this.#log({ message: `a notice failed: ${textOfThrown(error)}`, error }))
      .then(() => {
        this.#underWay.delete(followed);
        this.#pumpSoon();
      });
    this.#underWay.add(followed);
  }

  async #give(pending: Pending): Promise<void> {
    const { limits } = this.#options;
    const stop = new AbortController();
    const reason = new IscepError("timeout", `it took longer than ${limits.noticeTimeoutMs} ms (noticeTimeoutMs)`);
    const timer = setTimeout(() => stop.abort(reason), limits.noticeTimeoutMs);
    const signal = AbortSignal.any([stop.signal, this.#closing.signal]);
    pending.tries++;
    try {
      if (pending.notice.target.kind === "http") await this.#send(pending, signal);
      else await this.#runScript(pending, signal);
      this.#options.metrics.notices.given++;
    } catch (error) {
      this.#failed(pending, stop.signal.aborted ? reason : toIscepError(error));
    } finally {
      clearTimeout(timer);
    }
  }

  async #runScript({ id, notice: { target }, facts, isKept }: Pending, signal: AbortSignal): Promise<void> {
    if (target.kind !== "script" || (isKept && this.#kept?.claim(id) === false)) return;
    const { limits } = this.#options;
    // The script is no process of that run, and must not be ended with it.
    const runId = createRunId();
    const killGraceMs = Math.min(limits.killGraceMs, closingKillGraceMs);
    const outcome = await runScript(target, facts, { runId, signal, limits: { ...limits, killGraceMs } });
    if ("error" in outcome) throw outcome.error;
  }

  async #send(pending: Pending, signal: AbortSignal): Promise<void> {
    const { target } = pending.notice;
    if (target.kind !== "http") return;
    const { id, facts } = pending;
    const maxAnswerBytes = this.#options.limits.maxNoticeAnswerBytes;
    await sendNotice(target, { id, facts, nowMs: Date.now(), signal, maxAnswerBytes });
    this.#kept?.remove(id);
  }

  #failed(pending: Pending, error: IscepError): void {
    const { limits } = this.#options;
    const { notice, facts, tries } = pending;
    const isFinal =
      notice.target.kind === "script" || tries >= limits.maxNoticeTries || error.details["final"] === true;
    if (!isFinal) {
      const pauseMs = Math.min(limits.maxNoticeRetryMs, limits.noticeRetryMs * 4 ** (tries - 1));
      // The jitter keeps the notices of one bad moment from coming back in one moment.
      if (!this.#isClosed) this.#sendLater(pending, pauseMs * (0.8 + 0.4 * Math.random()));
      if (tries > 1 || this.#isClosed) return;
    } else {
      this.#kept?.remove(pending.id);
      this.#options.metrics.notices.failed++;
    }
    const what = isFinal ? "was not given" : "could not be given yet, and is tried again";
    this.#log({ message: `the notice to ${notice.name} ${what}: ${error.message}`, error, facts });
  }

  #sendLater(pending: Pending, pauseMs: number): void {
    const timer = setTimeout(() => {
      this.#later.delete(pending);
      this.#waiting.remove(pending.facts.owner);
      this.#queue(pending);
    }, pauseMs);
    this.#later.set(pending, timer.unref());
    this.#waiting.add(pending.facts.owner);
  }

  #log({ message, error, facts }: { message: string; error?: unknown; facts?: RunRecord }): void {
    const { logs } = this.#options;
    if (logs === undefined) {
      process.emitWarning(message, { type: "IscepWarning", code: "ISCEP_NOTICES" });
      return;
    }
    const about = facts === undefined ? {} : { command: facts.command, runId: facts.run, owner: facts.owner };
    const shown = isIscepError(error) ? {} : { error };
    logs.error({ event: "notice", message, ...about, ...shown });
  }

  /**
   * Waits until the notices under way and the ready ones are given, but no longer than `timeoutMs`. The next server of
   * the same runs folder gives the rest.
   */
  async close(timeoutMs: number): Promise<void> {
    clearInterval(this.#looking);
    for (const timer of this.#later.values()) clearTimeout(timer);
    await within(this.#given(performance.now() + timeoutMs), timeoutMs);
    this.#isClosed = true;
    this.#closing.abort(new IscepError("cancelled", "the server was closed"));
    await within(Promise.all(this.#underWay), 2 * closingKillGraceMs);
    const left = this.waiting;
    if (left === 0) return;
    const next = this.#kept === undefined ? "they are gone, as there is no runs folder" : "the next server gives them";
    this.#log({ message: `the server closed before ${left} notices were given; ${next}` });
  }

  async #given(untilMs: number): Promise<void> {
    while (performance.now() < untilMs && this.#ready.length + this.#underWay.size > 0)
      await Promise.race([...this.#underWay, turn()]);
  }
}

/** Ready notices begin in the next turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}

/** The id is the same for each server that tells of this run. */
function idOf(run: string, index: number): string {
  return index === 0 ? run : `${run}-${index}`;
}
