/** A run over version 1. Nothing comes before the answer, and the answer contains the output of a script. */
import { IscepError, toIscepError } from "../../errors.js";
import type { Outcome, ScriptResult } from "../../model/outcome.js";
import { isScriptResult } from "../../model/script-result.js";
import { outcomeOfError, valueOfOutcome } from "../protocol/answer.js";
import type { RunHandle } from "../protocol/run-handle.js";
import type { OutputChunk } from "../protocol/run-output.js";
import { watchSignal } from "../protocol/watch-signal.js";

/** @param send calls the command; its signal is aborted by `cancel` and by `signal` */
export function followVersion1(
  send: (signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal | undefined,
): RunHandle {
  const controller = new AbortController();
  const aborted = (): void => controller.abort(signal?.reason);
  const unwatch = signal === undefined ? undefined : watchSignal(signal, aborted);
  if (signal?.aborted === true) aborted();
  const outcome = send(controller.signal)
    .then(
      (value): Outcome => (isScriptResult(value) ? outcomeOfScript(value) : { status: "completed", value }),
      (thrown: unknown) => outcomeOverVersion1(toIscepError(thrown)),
    )
    .finally(() => unwatch?.());
  return handleOf(outcome, () => controller.abort());
}

/** A run that was refused before anything was sent. */
export function refusedRun(refusal: IscepError): RunHandle {
  const outcome: Promise<Outcome> = Promise.resolve({ status: "rejected", error: refusal });
  return handleOf(outcome, () => {});
}

function handleOf(outcome: Promise<Outcome>, cancel: () => void): RunHandle {
  const value = outcome.then(valueOfOutcome);
  const id = outcome.then((result): never => {
    throw result.status === "rejected" ? result.error : new IscepError("protocol", "version 1 tells no ids of runs");
  });
  const dispose = async (): Promise<void> => {
    cancel();
    await outcome;
  };
  // A caller who uses neither promise learns it from the outcome.
  value.catch(() => {});
  id.catch(() => {});
  return {
    id,
    outcome,
    value,
    output: outputOf(outcome),
    onProgress: () => {},
    onQueued: () => {},
    resize: () => {},
    cancel,
    [Symbol.asyncDispose]: dispose,
  };
}

/** Version 1 does not say which channel came first, so standard output is shown first. */
async function* outputOf(outcome: Promise<Outcome>): AsyncGenerator<OutputChunk, void, void> {
  const ended = await outcome;
  const value = "value" in ended ? ended.value : undefined;
  if (!isScriptResult(value)) return;
  const stdout = Buffer.from(value.stdout);
  if (stdout.length > 0) yield { channel: "stdout", offset: 0, bytes: stdout };
  const stderr = Buffer.from(value.stderr);
  if (stderr.length > 0) yield { channel: "stderr", offset: stdout.length, bytes: stderr };
}

function outcomeOfScript(value: ScriptResult): Outcome {
  const { exitCode, signal } = value;
  if (exitCode === 0) return { status: "completed", value, exitCode };
  if (signal !== null) {
    return { status: "killed", error: new IscepError("killed", `the script was ended by ${signal}`), signal, value };
  }
  const error = new IscepError("failed", `the script ended with exit code ${exitCode}; its output may say why`);
  return exitCode === null ? { status: "failed", error, value } : { status: "failed", error, exitCode, value };
}

/** A call that this side gave up goes on in the server, and nobody learns how it ends. */
function outcomeOverVersion1(error: IscepError): Outcome {
  if (error.details["mayHaveRun"] === true) return { status: "lost", error };
  // The server's error has no details: the command ran, and its answer was too large. Our own error names the limit.
  if (error.code === "too_large" && error.details["limit"] === undefined) return { status: "failed", error };
  return outcomeOfError(error, error.code === "failed" || error.code === "killed" ? { status: error.code } : {});
}
