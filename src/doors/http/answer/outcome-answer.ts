/** The answer to a call whose run has ended. */
import { outputChangesOf, type Outcome, type RunOutcome } from "../../../model/outcome.js";
import { jsonHeaders, jsonResponse, type WrittenAnswer } from "./json-response.js";
import { outcomeView } from "./outcome-view.js";
import { problem, writtenProblem, type ProblemExtras } from "./problem.js";

export function outcomeResponse(outcome: Outcome, run: string | undefined): Response {
  if (outcome.status === "completed") return jsonResponse(completedView(outcome, run));
  return problem(outcome.error, extrasOf(outcome, run));
}

/** The same for an outcome whose value is JSON text. */
export function writtenOutcome(outcome: RunOutcome, run: string | undefined): WrittenAnswer {
  if (outcome.status !== "completed") return writtenProblem(outcome.error, extrasOf(valueOf(outcome), run));
  return { status: 200, headers: jsonHeaders, body: completedText(outcome, run) };
}

type Completed<Value> = Extract<Outcome<Value>, { status: "completed" }>;

function completedView(outcome: Completed<unknown>, run: string | undefined): object {
  return run === undefined ? outcomeView(outcome) : { run, ...outcomeView(outcome) };
}

function completedText(outcome: Extract<RunOutcome, { status: "completed" }>, run: string | undefined): string {
  if (outcome.valueError !== undefined)
    return JSON.stringify(completedView({ ...outcome, value: outcome.value?.parse() }, run));
  const start = run === undefined ? "" : `"run":"${run}",`;
  const value = outcome.value?.text ?? "null";
  const { exitCode } = outcome;
  // Most calls are of functions, whose outcomes have nothing else.
  if (exitCode === undefined) return `{${start}"status":"completed","value":${value}}`;
  const rest = JSON.stringify({ exitCode, ...outputChangesOf(outcome) }).slice(1);
  return `{${start}"status":"completed","value":${value},${rest}`;
}

function extrasOf(outcome: Outcome, run: string | undefined): ProblemExtras {
  return { run, ...(outcome.status === "rejected" ? {} : { outcome }) };
}

function valueOf(outcome: RunOutcome): Outcome {
  return "value" in outcome && outcome.value !== undefined
    ? { ...outcome, value: outcome.value.parse() }
    : { ...outcome };
}
