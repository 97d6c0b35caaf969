import { factsOf, type RunRecord } from "../../model/run-record.js";
import type { Run } from "./run.js";

export function recordOfRun(run: Run): RunRecord {
  const { outcome, endedAtMs } = run;
  return {
    run: run.id,
    command: run.command,
    owner: run.identity.owner,
    ...run.keptArguments,
    startedAtMs: run.startedAtMs,
    ...(endedAtMs === undefined ? {} : { endedAtMs }),
    status: outcome?.status ?? "running",
    ...(outcome === undefined ? {} : factsOf(outcome)),
    outputBytes: run.outputBytes,
  };
}
