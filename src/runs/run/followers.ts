/** Those who are told of a run while it goes on, and of its end. One who comes late is told the latest at once. */
import type { RunOutcome } from "../../model/outcome.js";
import { eachListener, withListener, withoutListener, type Listeners } from "./listeners.js";
import { PacedProgress, type Progress, type ProgressLimits } from "./paced-progress.js";

/** Something that follows a run, such as the door of its caller, or of a client that attached. */
export interface RunFollower {
  /** Called once. */
  ended(outcome: RunOutcome): void;
  progress?(progress: Progress): void;
  /** Its position in a queue, from 1; 0 when the wait is over. */
  queued?(position: number): void;
}

export class Followers {
  #followers: Listeners<RunFollower>;
  #progress: PacedProgress | undefined;
  #queuePosition = 0;

  add(follower: RunFollower): void {
    this.#followers = withListener(this.#followers, follower);
    if (this.#queuePosition > 0) follower.queued?.(this.#queuePosition);
    this.tellProgress(follower);
  }

  remove(follower: RunFollower): void {
    this.#followers = withoutListener(this.#followers, follower);
  }

  /** Tells how far the run was when it last said so. */
  tellProgress(follower: RunFollower): void {
    if (this.#progress !== undefined) follower.progress?.(this.#progress.latest);
  }

  progress(progress: Progress, limits: ProgressLimits): void {
    this.#progress ??= new PacedProgress(limits, (latest) => {
      for (const follower of eachListener(this.#followers)) follower.progress?.(latest);
    });
    this.#progress.report(progress);
  }

  /** The position in the queue, from 1; 0 when the wait is over. */
  moved(position: number): void {
    if (position === this.#queuePosition) return;
    this.#queuePosition = position;
    for (const follower of eachListener(this.#followers)) follower.queued?.(position);
  }

  /** The last progress is told before the end. */
  endProgress(): void {
    this.#progress?.end();
  }

  ended(outcome: RunOutcome): void {
    const followers = this.#followers;
    this.#followers = undefined;
    for (const follower of eachListener(followers)) follower.ended(outcome);
  }
}
