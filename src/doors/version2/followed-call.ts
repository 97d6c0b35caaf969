import type { RunInput } from "../../runs/streams/input.js";
import type { Outcome } from "../../model/outcome.js";
import type { Progress } from "../../runs/run/paced-progress.js";
import type { Run, RunFollower } from "../../runs/run/run.js";
import { notificationText } from "../../session/version2-server.js";

export interface FollowedCallHost {
  send(text: string): void;
  ended(call: FollowedCall, outcome: Outcome): void;
}

export interface FollowedCallOptions {
  readonly input: RunInput | undefined;
  readonly isDetached: boolean;
  readonly hasOutput: boolean;
}

/** A call or attach without an answer yet: hears of its run until it was answered, or its connection is gone. */
export class FollowedCall implements RunFollower {
  readonly id: number;
  readonly run: Run;
  /** This connection sends it. */
  readonly input: RunInput | undefined;
  /** It wants the run to go on when nobody holds it. */
  readonly isDetached: boolean;
  /** Output was asked for, and with it progress and the place in the queue. */
  readonly hasOutput: boolean;
  readonly #host: FollowedCallHost;

  constructor(id: number, run: Run, options: FollowedCallOptions, host: FollowedCallHost) {
    this.id = id;
    this.run = run;
    this.input = options.input;
    this.isDetached = options.isDetached;
    this.hasOutput = options.hasOutput;
    this.#host = host;
  }

  progress({ fraction, message }: Progress): void {
    if (this.hasOutput) this.#host.send(notificationText("progress", { call: this.id, fraction, message }));
  }

  queued(position: number): void {
    if (this.hasOutput) this.#host.send(notificationText("queued", { call: this.id, position }));
  }

  ended(outcome: Outcome): void {
    this.#host.ended(this, outcome);
  }
}
