/** One run as it is watched: its output, how far it is, and how it ended. */
import { signal } from "@preact/signals";
import { fetchRun } from "../api/calls.js";
import { toProblem, type Problem } from "../api/problem.js";
import { followRun } from "../api/run-events.js";
import { readRun, readStatus, type RunRecord } from "../api/types.js";
import { OutputModel } from "../output/output-model.js";
import { refreshActiveRuns } from "./active-runs.js";
import { untilOnlineOr } from "./online-pause.js";

export interface Progress {
  readonly fraction: number;
  readonly message: string;
}

export class LiveRun {
  readonly id: string;
  readonly model = new OutputModel();
  readonly record = signal<RunRecord | undefined>(undefined);
  readonly problem = signal<Problem | undefined>(undefined);
  readonly progress = signal<Progress | undefined>(undefined);
  /** The place in the queue; 0 when it does not wait. */
  readonly queuePlace = signal(0);
  readonly isConnected = signal(true);
  /** Rises when there is something new to draw, at most once a frame. */
  readonly drawn = signal(0);
  readonly outputBytes = signal(0);
  /** So many bytes at the beginning or in the middle were no longer kept. */
  readonly missingBytes = signal(0);
  /** The last event was seen: nothing more will come. */
  readonly isComplete = signal(false);
  readonly #stop = new AbortController();
  #isDrawPlanned = false;

  constructor(id: string) {
    this.id = id;
  }

  start(): void {
    void this.#load();
    followRun(
      { run: this.id, offset: 0, signal: this.#stop.signal, pause: untilOnlineOr },
      {
        output: (channel, bytes, offset) => {
          this.model.push(channel, bytes);
          this.outputBytes.value = offset + bytes.length;
          this.#draw();
        },
        progress: (fraction, message) => {
          this.progress.value = { fraction: Math.max(0, Math.min(1, fraction)), message };
        },
        queued: (position) => {
          this.queuePlace.value = position;
        },
        end: (outcome) => {
          this.model.end();
          this.#draw();
          const before = this.record.value;
          const ended = readRun({ ...outcome, run: this.id });
          if (before !== undefined)
            this.record.value = {
              ...before,
              ...pick(ended),
              status: readStatus(outcome["status"]),
              endedAtMs: before.endedAtMs ?? ended.endedAtMs ?? Date.now(),
            };
          this.isComplete.value = true;
          this.queuePlace.value = 0;
          void this.#load();
          void refreshActiveRuns();
        },
        connection: (isOpen) => {
          this.isConnected.value = isOpen;
        },
        gap: (from, to) => {
          this.missingBytes.value += to - from;
        },
      },
    ).catch((error: unknown) => {
      if (this.#stop.signal.aborted) return;
      this.problem.value = toProblem(error);
      this.isComplete.value = true;
    });
  }

  stop(): void {
    this.#stop.abort();
  }

  async #load(): Promise<void> {
    try {
      const record = await fetchRun(this.id);
      if (!this.#stop.signal.aborted) this.record.value = record;
    } catch (error) {
      // The events tell the same failure when it lasts.
      if (!toProblem(error).isUnreachable && this.record.value === undefined) this.problem.value = toProblem(error);
    }
  }

  #draw(): void {
    if (this.#isDrawPlanned) return;
    this.#isDrawPlanned = true;
    const draw = (): void => {
      if (!this.#isDrawPlanned) return;
      this.#isDrawPlanned = false;
      this.drawn.value++;
    };
    requestAnimationFrame(draw);
    // A page in the background has no frames, and its announcements go on.
    setTimeout(draw, 500);
  }
}

function pick(record: RunRecord): Partial<RunRecord> {
  const { code, exitCode, signal, message, action, value, isTruncated, isMasked } = record;
  return { code, exitCode, signal, message, action, value, isTruncated, isMasked };
}
