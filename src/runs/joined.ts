/** A run that has joined another: it executes nothing, and shows the output, the progress and the outcome of the first. */
import { toIscepError } from "../errors.js";
import type { Outcome } from "../model/outcome.js";
import type { OutputPiece } from "./streams/output.js";
import type { Run, RunFollower } from "./run/run.js";

/**
 * The output begins with what is still kept. The first one goes on as long as this one wants it, though its own caller
 * may have gone.
 * @returns ends it; to be called when this run has ended
 */
export function followRun(run: Run, first: Run, ended: (outcome: Outcome) => void): () => void {
  const { output } = first;
  let position = output.start;
  let isFull = false;
  let hasLeft = false;
  let outcome: Outcome | undefined;
  const pump = (): void => {
    while (!isFull) {
      const piece = next();
      if (piece === undefined) break;
      position += piece.bytes.length;
      const room = run.output.write(piece.channel, piece.bytes);
      output.positionChanged();
      if (room === undefined) continue;
      isFull = true;
      void room.then(() => {
        isFull = false;
        if (!hasLeft) pump();
      });
    }
    // The last of it may have to be read from files, when the first run has ended already.
    if (outcome !== undefined && position === output.end) ended(outcome);
  };
  const next = (): OutputPiece | undefined => {
    try {
      return output.read(position, Number.POSITIVE_INFINITY);
    } catch (error) {
      ended({ status: "lost", error: toIscepError(error) });
      return undefined;
    }
  };
  const follower: RunFollower = {
    progress: (fraction, message) => run.progress(fraction, message),
    ended: (ofFirst) => {
      outcome = ofFirst;
      pump();
    },
  };
  const watcher = {
    get position() {
      return position;
    },
    outputReady: pump,
  };
  output.watch(watcher);
  first.hold(run);
  first.follow(follower);
  pump();
  return () => {
    hasLeft = true;
    first.unfollow(follower);
    output.unwatch(watcher);
    first.release(run);
  };
}
