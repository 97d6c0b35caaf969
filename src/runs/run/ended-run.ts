/** What is known of a run besides its outcome and output, and what is kept of it. */
import type { KeptArguments } from "../../model/run-record.js";

export interface Retention {
  readonly idempotencyKey?: string;
  /** The fingerprint of the arguments of the call with that key; undefined without a key. */
  readonly fingerprint?: string | undefined;
}

/** What is kept about a run, in addition to its outcome and output. */
export interface EndedRun extends Partial<KeptArguments> {
  readonly run: string;
  readonly command: string;
  readonly owner: string;
  readonly tokenId: string | null;
  readonly source: string;
  readonly startedAtMs: number;
  readonly fingerprint?: string;
}
