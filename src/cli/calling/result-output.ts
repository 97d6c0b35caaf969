/** Shows the value of a call to people and pipes. */
import { errorTable } from "../../errors.js";
import type { ScriptResult } from "../../model/outcome.js";
import { isScriptResult } from "../../model/script-result.js";
import { exitCodeOfSignal } from "../terminal/interrupt.js";
import { endStyle, shownOutput, type OutputTarget } from "./live-output.js";
import { noteLabelled, print, warn, write } from "../terminal/streams.js";
import { visibleText } from "../../text/visible-text.js";
import { surroundings, type Output } from "../terminal/surroundings.js";

export interface ResultOptions {
  readonly json?: boolean;
  readonly raw?: boolean;
  readonly quiet?: boolean;
}

/** The output that was already shown while the command ran. */
type Followed = Pick<OutputTarget, "bytesOf">;

const nothing: Followed = { bytesOf: () => 0 };

/**
 * Shows the result, without the output in `followed`. Returns the exit code: a script's own, else 0. When that would be 0 and
 * a part of the output is missing, it is the exit code of `too_large`, unless the command was meant to be cut (`mayBeCut`).
 */
export async function printResult(
  value: unknown,
  options: ResultOptions,
  followed = nothing,
  mayBeCut = false,
): Promise<number> {
  const script = isScriptResult(value) ? value : undefined;
  if (options.json === true) {
    await print(`${JSON.stringify(value)}\n`);
  } else if (script !== undefined) {
    await printScript(script, options, followed);
  } else {
    await printValue(value, options);
  }
  if (script === undefined) return 0;
  const isCut = script.truncated && !mayBeCut && (options.json === true || !wasFollowed(followed));
  const exitCode = script.exitCode ?? exitCodeOfSignal(script.signal ?? "");
  return exitCode === 0 && isCut ? errorTable.too_large.exitCode : exitCode;
}

export async function printValue(value: unknown, options: ResultOptions): Promise<void> {
  if (value === null || value === undefined) return;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  await print(`${shownOn(surroundings().stdout, text, options)}\n`);
}

/** The run goes on without this process. */
export async function printRunId(run: string, { json }: ResultOptions): Promise<void> {
  await print(json === true ? `${JSON.stringify({ run })}\n` : `${run}\n`);
}

function wasFollowed(followed: Followed): boolean {
  return followed.bytesOf("stdout") + followed.bytesOf("stderr") > 0;
}

async function printScript(script: ScriptResult, options: ResultOptions, followed: Followed): Promise<void> {
  if (!wasFollowed(followed)) {
    const { stdout, stderr } = surroundings();
    await write(stdout, shownOutput(stdout, script.stdout, options));
    await write(stderr, shownOutput(stderr, script.stderr, options));
    await endStyle();
    if (script.truncated) await warn("the script wrote more than the server keeps; the rest is cut off");
  }
  if (script.signal !== null) await noteLabelled("red", "iscep:", `the script was ended by ${script.signal}`);
}

/** A pipe gets the server's text unchanged. A terminal obeys control characters, so there they are made visible. */
function shownOn(stream: Output, text: string, options: ResultOptions): string {
  return stream.isTTY === true && options.raw !== true ? visibleText(text) : text;
}
