/** Follows a run that goes on without us. */
import type { RunHandle } from "../../client/protocol/run-handle.js";
import { IscepError } from "../../errors.js";
import { withHint } from "../terminal/report.js";
import { followRun, type FollowOptions } from "./follow-run.js";

export interface WatchOptions extends Omit<FollowOptions, "whenUnread"> {
  /** How long it is watched. undefined: to its end. */
  readonly timeoutMs?: number | undefined;
}

/**
 * Leaving does not end the run: others may follow it, and it has its caller. Returns the exit code of the run.
 * @throws IscepError its outcome, or why it is not watched any more
 */
export async function watchRun(
  run: RunHandle,
  id: string,
  { timeoutMs, ...options }: WatchOptions,
  signal: AbortSignal,
): Promise<number> {
  const left = new Promise<never>((_, reject) => {
    const leave = (error: IscepError): void =>
      reject(withHint(error, `the run goes on as long as somebody wants it; \`iscep runs cancel ${id}\` stops it`));
    const stop = (): void => leave(new IscepError("cancelled", "stopped watching the run"));
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop);
    if (timeoutMs !== undefined) {
      setTimeout(
        () => leave(new IscepError("timeout", `the run had not ended after ${timeoutMs} ms`)),
        timeoutMs,
      ).unref();
    }
  });
  return Promise.race([followRun(run, { ...options, whenUnread: "leave" }), left]);
}
