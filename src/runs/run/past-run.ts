/** Runs that this process does not execute. What is known of them comes from files. */
import { IscepError } from "../../errors.js";
import { anonymous } from "../../model/identity.js";
import type { RunOutcome } from "../../model/outcome.js";
import { keptArgumentsIn } from "../../model/run-record.js";
import type { RunOutput } from "../streams/output.js";
import type { EndedRun } from "./ended-run.js";
import { Run, type RunHost, type RunWork } from "./run.js";

/** A run that was kept: it belongs to an earlier process, or this process has dropped it from memory. */
export function endedRun(start: EndedRun, outcome: RunOutcome, endedAtMs: number, output: RunOutput): Run {
  const run = runElsewhere(start, output);
  run.end(outcome, endedAtMs);
  return run;
}

/** The run goes on in another server. */
export function runElsewhere(start: EndedRun, output: RunOutput): Run {
  // This identity never acts, because each caller who asks for the run shows an identity of their own.
  const identity = { ...anonymous, owner: start.owner, tokenId: start.tokenId, mayRun: () => false };
  const run = new Run(start.command, identity, start.source, pastHost, start);
  run.work = outOfReach;
  run.retention = { fingerprint: start.fingerprint };
  run.keptArguments = keptArgumentsIn(start);
  run.happens("begins");
  run.takeOutput(output);
  return run;
}

/** Only its own server can stop it. */
const outOfReach: RunWork = { drop: () => {} };

/** Nothing is recorded about a run that belongs to another server or an earlier one. */
const pastHost: RunHost = {
  limits: {
    maxRetainedOutputBytes: 0,
    streamWindowBytes: 0,
    progressIntervalMs: 0,
    maxProgressMessageCharacters: 0,
  },
  room: {
    maxBytes: Number.POSITIVE_INFINITY,
    maxScriptResultBytes: Number.POSITIVE_INFINITY,
    tooLarge: () => new IscepError("too_large"),
  },
  ends: () => {},
  abandoned: () => undefined,
};
