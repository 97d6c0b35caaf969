/** The value of a call, for people and for pipes. */
import { isScriptResult } from "../runs/script-result.js";
import { exitCodeOfSignal } from "./interrupt.js";
import { noteLabelled, print, warn, write } from "./streams.js";
import { visibleText } from "./visible-text.js";

export interface ResultOptions {
  readonly json?: boolean;
  readonly raw?: boolean;
  readonly quiet?: boolean;
}

/** Returns the exit code: a script's own, else 0. */
export async function printResult(value: unknown, options: ResultOptions): Promise<number> {
  const script = isScriptResult(value) ? value : undefined;
  if (options.json === true) {
    await print(`${JSON.stringify(value)}\n`);
  } else if (script !== undefined) {
    await write(process.stdout, shownOn(process.stdout, script.stdout, options));
    await write(process.stderr, shownOn(process.stderr, script.stderr, options));
    if (script.truncated && options.quiet !== true)
      await warn("the script wrote more than the server keeps; the rest is cut off");
    if (script.signal !== null) await noteLabelled("red", "iscep:", `the script was ended by ${script.signal}`);
  } else if (typeof value === "string") {
    await print(`${shownOn(process.stdout, value, options)}\n`);
  } else if (value !== null && value !== undefined) {
    await print(`${shownOn(process.stdout, JSON.stringify(value, null, 2), options)}\n`);
  }
  if (script === undefined) return 0;
  return script.exitCode ?? exitCodeOfSignal(script.signal ?? "");
}

/** A pipe gets what the server sent; a terminal obeys control characters, and the server is not its master. */
function shownOn(stream: NodeJS.WriteStream, text: string, options: ResultOptions): string {
  return stream.isTTY && options.raw !== true ? visibleText(text) : text;
}
