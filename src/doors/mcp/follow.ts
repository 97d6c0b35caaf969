/** Follows a run for as long as a client waits for an answer. */
import { within } from "../../waiting/within.js";
import type { RunHandle } from "../../client/protocol/run-handle.js";
import { toIscepError, type IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import type { ProgressReports } from "./progress.js";
import type { ShownOutput } from "./shown-output.js";

export interface FollowOptions {
  readonly output: ShownOutput;
  readonly waitMs: number;
  /** How much longer to wait for the id of the run. */
  readonly idMs: number;
  readonly signal: AbortSignal;
  readonly progress: ProgressReports | undefined;
}

export type Followed =
  | { readonly kind: "ended"; readonly outcome: Outcome; readonly outputError?: IscepError | undefined }
  /** The time is over. Nobody reads the output of the run any more. */
  | { readonly kind: "running"; readonly run: string }
  /** The time is over, and the server has not said that there is such a run. */
  | { readonly kind: "unknown" }
  /** The client wants no answer any more. */
  | { readonly kind: "aborted" };

export async function follow(
  handle: RunHandle,
  { output, waitMs, idMs, signal, progress }: FollowOptions,
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
  let stop: (() => void) | undefined;
  const aborted = new Promise<Followed>((resolve) => {
    stop = () => resolve({ kind: "aborted" });
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
  const known = async (): Promise<Followed> => {
    try {
      const run = await within(handle.id, idMs);
      return run === undefined ? { kind: "unknown" } : { kind: "running", run };
    } catch {
      // The call was refused, or its run ended before it had an id.
      return ended;
    }
  };
  try {
    const first = await within(Promise.race([ended, aborted]), waitMs);
    return first ?? (await Promise.race([ended, aborted, known()]));
  } finally {
    isOver = true;
    if (stop !== undefined) signal.removeEventListener("abort", stop);
    progress?.end();
  }
}
