/** A run that has joined another: it executes nothing, and shows the output, the progress and the outcome of the first. */
import { toIscepError } from "../errors.js";
import type { Outcome } from "./outcome.js";
import type { OutputPiece } from "./output.js";
import type { Run } from "./run.js";

interface Follower {
  progress(fraction: number, message: string | undefined): void;
  ended(outcome: Outcome): void;
}

/** One listener a first run, as callers may join and leave it any number of times. */
const followers = new WeakMap<Run, Set<Follower>>();

function followersOf(first: Run): Set<Follower> {
  const known = followers.get(first);
  if (known !== undefined) return known;
  const made = new Set<Follower>();
  followers.set(first, made);
  first.whenProgress((fraction, message) => {
    for (const follower of made) follower.progress(fraction, message);
  });
  first.whenEnded((outcome) => {
    for (const follower of made) follower.ended(outcome);
  });
  return made;
}

/**
 * The output begins with what is still kept. The first one goes on as long as this one wants it, though its own caller
 * may have gone.
 * @returns ends it; to be called when this run has ended
 */
export function followRun(run: Run, first: Run, ended: (outcome: Outcome) => void): () => void {
  const { output } = first;
  const all = followersOf(first);
  let position = output.start;
  let isFull = false;
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
        if (all.has(follower)) pump();
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
  const follower: Follower = {
    progress: (fraction, message) => run.progress(fraction, message),
    ended: (first) => {
      outcome = first;
      pump();
    },
  };
  const watcher = {
    get position() {
      return position;
    },
    outputReady: pump,
  };
  all.add(follower);
  output.watch(watcher);
  first.hold(run);
  pump();
  return () => {
    all.delete(follower);
    output.unwatch(watcher);
    first.release(run);
  };
}
