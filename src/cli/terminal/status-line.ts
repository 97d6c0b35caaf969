/**
 * Shows how far a run is, in one line below all other output, on a terminal only. All other output first clears the
 * line, and it returns below that output when the cursor is at the beginning of a line.
 */
import { TerminalStyle } from "../../text/terminal-text.js";
import { surroundings, type Output } from "./surroundings.js";

const eraseLine = "\r\u001b[K";

/** The colours that a run has switched on. The line is shown without them, and they return when the line is gone. */
export const terminalStyle = new TerminalStyle();

/** Makes the line for a terminal of that width. The line must not be wider. */
type Line = (columns: number) => string;

let line: Line | undefined;
let isDrawn = false;
let cursorAtStart = true;

/** A dumb terminal cannot clear a line. */
export function canShowStatus(): boolean {
  const { stderr, env } = surroundings();
  return stderr.isTTY === true && env["TERM"] !== "dumb";
}

/** Shows this line instead of the one before. undefined removes the line. */
export function showStatus(next: Line | undefined): void {
  if (!canShowStatus()) return;
  const { stderr, events } = surroundings();
  if (next !== undefined && line === undefined) {
    stderr.on("resize", draw);
    // After a second Ctrl-C the process ends at once. Then the shell's prompt needs a line of its own.
    events.once("exit", clear);
  } else if (next === undefined && line !== undefined) {
    stderr.off("resize", draw);
    events.off("exit", clear);
  }
  line = next;
  if (next === undefined) clear();
  else draw();
}

export function beforeOutput(stream: Output): void {
  if (stream.isTTY === true) clear();
}

export function afterOutput(stream: Output, data: string | Uint8Array): void {
  if (stream.isTTY !== true || data.length === 0) return;
  cursorAtStart = typeof data === "string" ? data.endsWith("\n") : data.at(-1) === 0x0a;
  draw();
}

/** A terminal shows `^C` where the cursor stands. */
export function eraseEcho(): void {
  if (canShowStatus() && cursorAtStart) surroundings().stderr.write(eraseLine);
}

function clear(): void {
  if (isDrawn) surroundings().stderr.write(eraseLine + terminalStyle.sequences);
  isDrawn = false;
}

function draw(): void {
  if (line === undefined || !cursorAtStart) return;
  // The last column stays free, because some terminals begin a new line when it has a letter.
  const { stderr } = surroundings();
  stderr.write(`${terminalStyle.reset}${eraseLine}${line((stderr.columns || 80) - 1)}`);
  isDrawn = true;
}
