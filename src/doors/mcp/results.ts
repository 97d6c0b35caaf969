/** What a model reads of a run: its output and value, how it ended, and what to do next. */
import type { CallToolResult } from "@modelcontextprotocol/server";
import { IscepError } from "../../errors.js";
import type { Outcome } from "../../model/outcome.js";
import { isScriptResult } from "../../model/script-result.js";
import { modelLine, modelText } from "./model-text.js";
import { withoutCutCharacter, type ShownOutput } from "./shown-output.js";
import { whatToDo } from "./what-to-do.js";

/** Where programs find the run, beside the words for the model. */
const runMetaKey = "iscep/run";
const statusMetaKey = "iscep/status";

export interface ShownRun {
  /** undefined for a call that was refused before it became a run. */
  readonly run: string | undefined;
  readonly output: ShownOutput;
  /** Why the output is not whole. */
  readonly outputError?: IscepError | undefined;
}

export function endedResult(outcome: Outcome, shown: ShownRun, maxBytes: number): CallToolResult {
  const run = shown.run === undefined ? undefined : modelLine(shown.run);
  const { blocks, notes } = outputOf({ ...shown, run }, true);
  const value = valueText(outcome, blocks.length > 0);
  if (value !== undefined) {
    const cut = cutText(value, maxBytes);
    blocks.push(cut.text);
    if (cut.leftOutBytes > 0)
      notes.push(
        `${cut.leftOutBytes} bytes of the value are left out: run_output ${JSON.stringify({ run, part: "value", offset: cut.next })} goes on there.`,
      );
  }
  const { exitCode, signal, truncated, masked } = {
    exitCode: undefined,
    signal: undefined,
    truncated: undefined,
    masked: undefined,
    ...outcome,
  };
  if (truncated === true) notes.push("The command printed more than it may, and the rest was dropped.");
  if (masked === true) notes.push("*** stands for a secret.");
  if (outcome.status === "completed") {
    if (exitCode !== undefined && exitCode !== 0) notes.push(`It completed with exit code ${exitCode}.`);
    if (outcome.valueError !== undefined) notes.push(modelText(outcome.valueError.message));
    if (blocks.length === 0) blocks.push("It completed, and gave no output.");
    return result(run, outcome.status, [...blocks, ...note(notes)]);
  }
  const { error } = outcome;
  const facts = [
    error.code,
    ...(exitCode === undefined ? [] : [`exit code ${exitCode}`]),
    ...(signal === undefined ? [] : [signal]),
  ];
  const sentence = `The run ${endings[outcome.status]}: ${modelText(error.message)} (${facts.join(", ")}). ${whatToDo[error.code]}`;
  return { ...result(run, outcome.status, [sentence, ...blocks, ...note(notes)]), isError: true };
}

const endings = {
  failed: "failed",
  killed: "was killed",
  timeout: "was stopped by its timeout",
  cancelled: "was cancelled",
  rejected: "did not start",
  lost: "is lost, and nobody knows how it ended",
} as const satisfies Record<Exclude<Outcome["status"], "completed">, string>;

/** The answer for a run that goes on: all that it has by now. */
export function runningResult(shown: ShownRun & { readonly run: string }): CallToolResult {
  const run = modelLine(shown.run);
  const { blocks, notes, next } = outputOf({ ...shown, run }, false);
  const wait = JSON.stringify({ run, offset: next });
  return result(run, "running", [
    ...blocks,
    [
      `The run ${run} still goes on${blocks.length === 0 ? ", and has printed nothing yet" : ""}. It goes on whether you wait or not.`,
      `run_wait ${wait} waits for its end, and run_cancel ${JSON.stringify({ run })} stops it. Do not call the tool again for this.`,
      ...notes,
    ].join(" "),
  ]);
}

/** The server, which may not be there now, has not said whether there is such a run. */
export function unknownResult(): CallToolResult {
  return errorResult(new IscepError("lost", "the server has not said yet whether it runs"));
}

/** An error that is not the outcome of a run. */
export function errorResult({ code, message }: IscepError): CallToolResult {
  return { content: [text(`${modelText(message)} (${code}). ${whatToDo[code]}`)], isError: true };
}

export function textResult(...texts: string[]): CallToolResult {
  return { content: texts.map(text) };
}

function outputOf(
  { run, output, outputError }: ShownRun,
  isOver: boolean,
): { blocks: string[]; notes: string[]; next: number } {
  const { text: shownText, gap, next } = output.shown(isOver);
  const notes: string[] = [];
  if (gap !== undefined) {
    const read = JSON.stringify({ run, offset: gap.from });
    notes.push(`${gap.to - gap.from} bytes of the output are left out: run_output ${read} shows them.`);
  }
  if (outputError !== undefined) notes.push(`The output is not whole: ${modelText(outputError.message)}.`);
  return { blocks: output.isEmpty ? [] : [shownText], notes, next };
}

/** undefined when the value says nothing that the output has not said. */
function valueText(outcome: Outcome, outputIsShown: boolean): string | undefined {
  const value = "value" in outcome ? outcome.value : undefined;
  if (value === undefined || value === null) return undefined;
  if (isScriptResult(value)) {
    // The output itself is gone, or was shown by an earlier answer.
    return outputIsShown ? undefined : `${value.stdout}${value.stderr}` || undefined;
  }
  const isScript = "exitCode" in outcome && outcome.exitCode !== undefined;
  return isScript && outputIsShown ? undefined : textOfValue(value);
}

/** A text as it is, anything else as JSON. */
export function textOfValue(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The beginning of a text that has at most `maxBytes` as UTF-8. @param offset where it begins, in bytes */
export function cutText(
  whole: string,
  maxBytes: number,
  offset = 0,
): { readonly text: string; readonly next: number; readonly leftOutBytes: number } {
  const bytes = Buffer.from(whole, "utf8");
  const part = bytes.subarray(offset, offset + maxBytes);
  const shown = offset + part.length < bytes.length ? withoutCutCharacter(part) : part;
  const next = offset + shown.length;
  return { text: modelText(shown.toString("utf8")), next, leftOutBytes: Math.max(0, bytes.length - next) };
}

function result(run: string | undefined, status: string, texts: readonly string[]): CallToolResult {
  const meta = { ...(run === undefined ? {} : { [runMetaKey]: run }), [statusMetaKey]: status };
  return { content: texts.map(text), _meta: meta };
}

function note(notes: readonly string[]): string[] {
  return notes.length === 0 ? [] : [notes.join(" ")];
}

function text(words: string): { type: "text"; text: string } {
  return { type: "text", text: words };
}
