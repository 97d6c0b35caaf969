/** A run with a file in the runs folder, as its server knows it. */
import { createHash } from "node:crypto";
import { ownProcessMark } from "../files/process-mark.js";
import type { Identity } from "../model/identity.js";
import type { OutputFiles } from "../runs/streams/output-files.js";
import type { RunOutput } from "../runs/streams/output.js";
import type { Run } from "../runs/run/run.js";
import { keptArgumentsIn, type RunRecord } from "../model/run-record.js";
import type { RunStart } from "./run-file.js";
import type { StoredEnd } from "./stored-outcome.js";

export interface StoredRun {
  readonly start: RunStart;
  end: StoredEnd | undefined;
  fileBytes: number;
  files: OutputFiles | undefined;
  /** The output, while the run is in memory or somebody reads it. */
  output: RunOutput | undefined;
  /** True when this server began it. Then only this server writes its file. */
  readonly isOwn: boolean;
  /** The run goes on in another server, and somebody here follows it. */
  followed: Run | undefined;
}

export function startOf(run: Run, processes: string | undefined): RunStart {
  const { idempotencyKey: key, fingerprint } = run.retention ?? {};
  return {
    run: run.id,
    command: run.command,
    owner: run.identity.owner,
    tokenId: run.identity.tokenId,
    source: run.source,
    startedAtMs: run.startedAtMs,
    server: ownProcessMark(),
    ...(key === undefined ? {} : { key: keyHash(run.identity, key) }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(processes === undefined ? {} : { processes }),
    ...run.keptArguments,
  };
}

export function recordOf({ start, end }: StoredRun): RunRecord {
  const { run, command, owner, startedAtMs } = start;
  const known = { run, command, owner, startedAtMs, ...keptArgumentsIn(start) };
  if (end === undefined) return { ...known, status: "running", outputBytes: 0 };
  const { value: _, message: __, ...facts } = end;
  return { ...known, ...facts };
}

/**
 * The folder must not show owners and keys, so only a hash is kept. JSON keeps the two apart, whatever they contain.
 */
export function keyHash(identity: Identity, key: string): string {
  return createHash("sha256")
    .update(JSON.stringify([identity.owner, key]))
    .digest("base64url");
}
