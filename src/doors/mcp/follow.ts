/** Follows a run for as long as a client waits for an answer. */
import type { RunHandle } from "../../client/protocol/run-handle.js";
import { toIscepError, type IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import type { ProgressReports } from "./progress.js";
import type { ShownOutput } from "./shown-output.js";

export interface FollowOptions {
  readonly output: ShownOutput;
  readonly waitMs: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressReports | undefined;
}

export type Followed =
  | { readonly kind: "ended"; readonly outcome: Outcome; readonly outputError?: IscepError | undefined }
  /** The time is over. Nobody reads its output any more. */
  | { readonly kind: "running" }
  /** The client wants no answer any more. */
  | { readonly kind: "aborted" };

export async function follow(
  handle: RunHandle,
  { output, waitMs, signal, progress }: FollowOptions,
): Promise<Followed> {
  let isOver = false;
  handle.onProgress((fraction, message) => progress?.report(fraction, message));
  handle.onQueued((place) => progress?.queued(place));
  const read = async (): Promise<IscepError | undefined> => {
    try {
      for await (const { bytes } of handle.output) {
        if (isOver) break;
        output.push(bytes);
        progress?.news();
      }
      return undefined;
    } catch (error) {
      return toIscepError(error);
    }
  };
  const reading = read();
  const ended = handle.outcome.then(async (outcome): Promise<Followed> => {
    const outputError = await reading;
    return { kind: "ended", outcome, outputError };
  });
  let timer: NodeJS.Timeout | undefined;
  let stop: (() => void) | undefined;
  const over = new Promise<Followed>((resolve) => {
    timer = setTimeout(() => resolve({ kind: "running" }), waitMs);
    stop = () => resolve({ kind: "aborted" });
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([ended, over]);
  } finally {
    isOver = true;
    clearTimeout(timer);
    if (stop !== undefined) signal.removeEventListener("abort", stop);
    progress?.end();
  }
}
