/** Makes the outcome of a script that ended by itself, from its exit code or signal and what it printed. */
import type { ScriptCommand } from "../../model/command.js";
import { IscepError, isIscepError } from "../../errors.js";
import type { Limits } from "../../limits/limits.js";
import { parseJson } from "../../wire/json.js";
import { findJsonFault } from "./json-fault.js";
import { outputChangesOf, type Outcome, type OutputChanges, type ScriptResult } from "../../model/outcome.js";
import type { ScriptOutput } from "./output.js";

export interface ScriptEnd {
  readonly runId: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly durationMs: number;
  /** How much it may print. */
  readonly maxBytes: number;
  readonly output: ScriptOutput;
  readonly limits: ValueLimits;
}

type ValueLimits = Pick<
  Limits,
  "maxRunOutputBytes" | "maxJsonDepth" | "maxJsonKeys" | "maxJsonItems" | "maxShownCharacters"
>;

export async function outcomeOfScript(command: ScriptCommand, end: ScriptEnd): Promise<Outcome> {
  const { exitCode, signal, output } = end;
  const isText = command.output === undefined || command.output === "text";
  // A script with a value of its own gives no other value instead.
  const result = isText ? { value: textResult(end) } : {};
  if (signal !== null) {
    const why = signal === "SIGXCPU" ? "as it has used up its time of computing" : "which did not come from iscep";
    const message = `the script "${command.name}" was ended by ${signal}, ${why}`;
    const error = new IscepError("killed", message);
    return { status: "killed", error, signal, ...result, ...changesOf(output) };
  }
  if (exitCode === null || !(command.successCodes ?? [0]).includes(exitCode)) {
    const words = isText ? "its output may say why" : `its last words: ${lastLine(end)}`;
    const message = `the script "${command.name}" ended with exit code ${exitCode}; ${words}`;
    const error = new IscepError("failed", message);
    return { status: "failed", error, ...(exitCode === null ? {} : { exitCode }), ...result, ...changesOf(output) };
  }
  if (output.isFull && command.whenOutputIsFull !== "truncate") {
    const message = `the script "${command.name}" printed more than the ${end.maxBytes} bytes that it may, and the rest was dropped`;
    return {
      status: "failed",
      error: new IscepError("too_large", message),
      ...changesOf(output),
    };
  }
  if (isText) return { status: "completed", ...result, value: result.value, exitCode, ...changesOf(output) };
  try {
    const value = await valueOf(command, end);
    return { status: "completed", value, exitCode, ...changesOf(output) };
  } catch (error) {
    if (!isIscepError(error)) throw error;
    return { status: "failed", error, ...changesOf(output) };
  }
}

/** This is asked last, because reading a value may find secrets too. */
function changesOf({ isFull, hasMasked }: ScriptOutput): OutputChanges {
  return outputChangesOf({ truncated: isFull, masked: hasMasked });
}

function textResult({ exitCode, signal, durationMs, output }: ScriptEnd): ScriptResult {
  const { stdout, stderr, truncated } = output;
  return { exitCode, signal, stdout: stdout.text(), stderr: stderr.text(), truncated, durationMs };
}

async function valueOf(command: ScriptCommand, { output, limits }: ScriptEnd): Promise<unknown> {
  if (command.output === "none") return null;
  const { name } = command;
  if (output.isFull || output.stdout.truncated) {
    const most = output.stdout.truncated ? `maxRunOutputBytes (${limits.maxRunOutputBytes})` : "its maxOutputBytes";
    throw new IscepError("too_large", `the script "${name}" printed more than can be its value; the limit is ${most}`);
  }
  if (command.output === "lines") return output.maskedValue(linesOf(output.stdout.text()));
  const value = output.maskedValue(readJson(name, output.stdout.bytes, limits));
  const checked = await command.checkResult?.(value);
  if (checked === undefined) return value;
  if (checked.ok) return checked.value;
  throw new IscepError(
    "failed",
    `the standard output of script "${name}" does not fit the schema of its result: ${checked.message}`,
  );
}

function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function readJson(name: string, bytes: Buffer, limits: ValueLimits): unknown {
  try {
    return parseJson(bytes, limits);
  } catch (cause) {
    const text = bytes.toString();
    const fault = findJsonFault(text);
    const where =
      text.trim() === ""
        ? "it printed nothing"
        : fault === undefined
          ? isIscepError(cause)
            ? cause.message
            : "it cannot be read"
          : `it ${fault.isEnd ? "ends too early" : "breaks"} at line ${fault.line}, column ${fault.column}`;
    throw new IscepError(
      "failed",
      `the standard output of script "${name}" is not the JSON that it should be: ${where}`,
    );
  }
}

/** The last line of standard error, or else of standard output. */
function lastLine({ output, limits }: ScriptEnd): string {
  const lines = (output.stderr.text().trim() || output.stdout.text().trim()).split("\n");
  const shown = (lines.at(-1) ?? "")
    .replaceAll(/\p{C}/gu, " ")
    .slice(0, 4 * limits.maxShownCharacters)
    .trim();
  return shown === "" ? "none" : JSON.stringify(shown);
}
