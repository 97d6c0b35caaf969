/** One run as it is watched: its output, how far it is, and how it ended. */
import { signal } from "@preact/signals";
import { fetchRun } from "../api/calls.js";
import { pauseMs } from "../api/pauses.js";
import { toProblem, type Problem } from "../api/problem.js";
import { followRun } from "../api/run-events.js";
import { readRun, readStatus, type Command, type RunRecord } from "../api/types.js";
import type { JsonObject } from "../api/reading.js";
import { OutputModel } from "../output/output-model.js";
import { fittingSize } from "../typing/fitting-size.js";
import { refreshActiveRuns } from "./active-runs.js";
import { commands, loadCommands } from "./commands.js";
import { EarlyEvents } from "./early-events.js";
import { untilOnlineOr } from "./online-pause.js";
import { takeFresh } from "./fresh-runs.js";
import { LiveTyping } from "./live-typing.js";
import { rememberedSize } from "./terminal-sizes.js";

/** The list of commands; undefined: it could not be fetched. */
type Asked = readonly Command[] | undefined;

export interface Progress {
  readonly fraction: number;
  readonly message: string;
}

export class LiveRun {
  readonly id: string;
  /** It was started in this page, and is seen for the first time. */
  readonly isFresh: boolean;
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
  /** undefined: nobody can type to it here. */
  readonly typing = signal<LiveTyping | undefined>(undefined);
  readonly #stop = new AbortController();
  #isDrawPlanned = false;
  readonly #early = new EarlyEvents();
  /** Output before this offset was there before. */
  #replayEnd = 0;
  #isReplay = true;

  constructor(id: string) {
    this.id = id;
    this.isFresh = takeFresh(id);
  }

  start(): void {
    void this.#begin();
  }

  async #begin(): Promise<void> {
    // They go first: the events hold one of the few connections that a browser makes to a server for all its pages.
    let load = this.#load();
    const asked = commands.value ?? loadCommands().catch(() => undefined);
    this.#follow();
    for (let attempt = 0; !(await load) && !this.#stop.signal.aborted; attempt++) {
      await untilOnlineOr(pauseMs(attempt, Math.random()), this.#stop.signal);
      load = this.#load();
    }
    await this.#openTyping(asked);
    if (!this.#stop.signal.aborted) this.#early.release();
  }

  #follow(): void {
    const early = this.#early;
    followRun(
      { run: this.id, offset: 0, signal: this.#stop.signal, pause: untilOnlineOr },
      {
        get hold() {
          return early.hold;
        },
        output: (channel, bytes, offset) =>
          early.take(() => {
            this.#isReplay = offset < this.#replayEnd;
            this.model.push(channel, bytes);
            this.outputBytes.value = offset + bytes.length;
            this.redraw();
          }, bytes.length),
        progress: (fraction, message) => {
          this.progress.value = { fraction: Math.max(0, Math.min(1, fraction)), message };
        },
        queued: (position) => {
          this.queuePlace.value = position;
        },
        end: (outcome) => early.take(() => this.#end(outcome)),
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
      this.#closeTyping();
    });
  }

  #end(outcome: JsonObject): void {
    this.model.end();
    this.redraw();
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
    this.#closeTyping();
    void this.#load();
    void refreshActiveRuns();
  }

  stop(): void {
    this.#stop.abort();
    this.#closeTyping();
  }

  /** False: the server does not answer. */
  async #load(): Promise<boolean> {
    try {
      const record = await fetchRun(this.id);
      if (!this.#stop.signal.aborted) this.record.value = record;
    } catch (error) {
      if (toProblem(error).isUnreachable) return false;
      // The events tell the same failure when it lasts.
      if (this.record.value === undefined) this.problem.value = toProblem(error);
    }
    return true;
  }

  /** A terminal has to be known before its first output is drawn. */
  async #openTyping(asked: Asked | Promise<Asked>): Promise<void> {
    const { command, isInputOpen = false, outputBytes = 0 } = this.record.value ?? {};
    const size = rememberedSize(this.id);
    const known = isInputOpen ? await knownCommands(asked) : [];
    const isOnTerminal = known.some(({ name, isOnTerminal: isOne }) => name === command && isOne);
    if (size !== undefined || isOnTerminal) this.model.becomeTerminal(size ?? fittingSize(), this.#answer);
    // Questions in output that another page has seen were answered there.
    this.#replayEnd = size === undefined ? Number.POSITIVE_INFINITY : this.isFresh ? 0 : outputBytes;
    if (!isInputOpen || this.#stop.signal.aborted) return;
    this.typing.value = new LiveTyping(this.id, this.model.terminal);
  }

  readonly #answer = (text: string): void => {
    if (!this.#isReplay) this.typing.value?.input.answer(text);
  };

  #closeTyping(): void {
    this.typing.value?.close();
    this.typing.value = undefined;
  }

  /** Draws in the next frame. */
  redraw(): void {
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

/** The server may not have answered the first time. */
async function knownCommands(asked: Asked | Promise<Asked>): Promise<readonly Command[]> {
  return (await asked) ?? commands.value ?? (await loadCommands().catch(() => []));
}

function pick(record: RunRecord): Partial<RunRecord> {
  const { code, exitCode, signal, message, action, value, isTruncated, isMasked } = record;
  return { code, exitCode, signal, message, action, value, isTruncated, isMasked };
}
