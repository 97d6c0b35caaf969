import type { RunOutcome } from "../../model/outcome.js";
import type { RunInput } from "../streams/input.js";
import type { RunOutput } from "../streams/output.js";
import { Followers } from "./followers.js";

/** What a run needs only if it lasts longer than its call, or somebody follows it. */
export class LastingRun {
  output: RunOutput | undefined;
  input: RunInput | undefined;
  timer: NodeJS.Timeout | undefined;
  readonly followers = new Followers();

  /** Nothing more comes or goes. Nobody is told of the end yet. */
  close(): void {
    this.output?.close();
    this.input?.discard();
    this.followers.endProgress();
  }

  ended(outcome: RunOutcome): void {
    clearTimeout(this.timer);
    this.followers.ended(outcome);
  }
}
