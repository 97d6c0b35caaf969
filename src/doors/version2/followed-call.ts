import type { RunInput } from "../../runs/streams/input.js";
import type { Outcome } from "../../model/outcome.js";
import type { Progress } from "../../runs/run/paced-progress.js";
import type { RunFollower } from "../../runs/run/followers.js";
import type { Run } from "../../runs/run/run.js";
import { notificationText } from "../../session/version2-server.js";

export interface FollowedCallHost {
  /** News of the run. Only the latest counts. */
  tell(call: FollowedCall, text: string): void;
  ended(call: FollowedCall, outcome: Outcome): void;
}

export interface FollowedCallOptions {
  readonly input: RunInput | undefined;
  readonly isDetached: boolean;
  readonly isAttached: boolean;
  readonly hasOutput: boolean;
}

/** What a client says of a run that it follows. */
export interface FollowOptions {
  readonly offset: number | undefined;
  /** The run goes on without this connection too. */
  readonly isDetached: boolean;
  /** It follows a run that another call has begun. Default: false. */
  readonly isAttached?: boolean;
  /** This connection sends the run's standard input from now on. */
  readonly stdin: boolean;
}

/** A call or attach that has no answer yet. It follows its run until it is answered, or its connection is gone. */
export class FollowedCall implements RunFollower {
  readonly id: number;
  readonly run: Run;
  /** The standard input that this connection sends. */
  readonly input: RunInput | undefined;
  /** The call wants the run to go on when nobody holds it. */
  readonly isDetached: boolean;
  /** Another call has begun the run. */
  readonly isAttached: boolean;
  /** The client asked for output, and so for progress and the position in the queue. */
  readonly hasOutput: boolean;
  readonly #host: FollowedCallHost;

  constructor(id: number, run: Run, options: FollowedCallOptions, host: FollowedCallHost) {
    this.id = id;
    this.run = run;
    this.input = options.input;
    this.isDetached = options.isDetached;
    this.isAttached = options.isAttached;
    this.hasOutput = options.hasOutput;
    this.#host = host;
  }

  progress({ fraction, message }: Progress): void {
    if (this.hasOutput) this.#host.tell(this, notificationText("progress", { call: this.id, fraction, message }));
  }

  queued(position: number): void {
    if (this.hasOutput) this.#host.tell(this, notificationText("queued", { call: this.id, position }));
  }

  ended(outcome: Outcome): void {
    this.#host.ended(this, outcome);
  }
}
