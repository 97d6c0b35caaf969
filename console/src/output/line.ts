/** One line of output that can still change: its text, and where which style begins. */
import { plain, styleBits, type Style } from "./style.js";

/** Both in one number: where a style begins in the line, in units of UTF-16, and the style. */
export type Run = number;

const styleRange = 2 ** styleBits;

export function runOf(start: number, style: Style): Run {
  return start * styleRange + style;
}

export function startOf(run: Run): number {
  return Math.floor(run / styleRange);
}

export function styleOf(run: Run): Style {
  return run % styleRange;
}

/** A line as it is shown. Text before the first run is plain. */
export interface Line {
  readonly text: string;
  readonly runs: ArrayLike<Run>;
}

export interface Segment {
  readonly text: string;
  readonly style: Style;
}

export function segmentsOf({ text, runs }: Line): Segment[] {
  const segments: Segment[] = [];
  let from = 0;
  let style = plain;
  for (let at = 0; at <= runs.length; at++) {
    const run = runs[at];
    const to = run === undefined ? text.length : startOf(run);
    if (to > from) segments.push({ text: text.slice(from, to), style });
    from = to;
    if (run !== undefined) style = styleOf(run);
  }
  return segments;
}

/** It takes the second column of a character of one unit. It is no character (Unicode, 23.7), so no text has it. */
export const filler = "\uffff";

/** Whether the two halves of a character stand on different sides. */
export function splitsCharacter(text: string, at: number): boolean {
  return text.charAt(at) === filler || (isLowSurrogate(text, at) && isHighSurrogate(text, at - 1));
}

export class ChangingLine implements Line {
  text = "";
  readonly runs: Run[] = [];

  /** Writes over what is there, from the column on, and fills up with spaces to it. */
  write(column: number, text: string, style: Style): void {
    if (column > this.text.length) this.#append(" ".repeat(column - this.text.length), plain);
    if (column === this.text.length) {
      this.#append(text, style);
      return;
    }
    this.#replace(column, column + text.length, text, style, true);
  }

  /** Puts blanks in, and moves what follows to the right. */
  insert(column: number, count: number): void {
    if (column < this.text.length) this.#replace(column, column, " ".repeat(count), plain, false);
  }

  /** Takes characters out, and moves what follows to the left. */
  remove(column: number, count: number): void {
    if (column + count >= this.text.length) this.cut(column);
    else this.#replace(column, column + count, "", plain, false);
  }

  /** Removes everything from the column on. */
  cut(column: number): void {
    if (column >= this.text.length) return;
    this.text = splitsCharacter(this.text, column) ? `${this.text.slice(0, column - 1)} ` : this.text.slice(0, column);
    while (this.runs.length > 0 && startOf(this.runs.at(-1) ?? 0) >= column) this.runs.pop();
  }

  /** Makes everything between the columns blank. */
  blank(from: number, to: number): void {
    const end = Math.min(to, this.text.length);
    if (end > from) this.#replace(from, end, " ".repeat(end - from), plain, true);
  }

  #append(text: string, style: Style): void {
    if (text === "") return;
    if (this.#lastStyle() !== style) this.runs.push(runOf(this.text.length, style));
    this.text += text;
  }

  #lastStyle(): Style {
    const last = this.runs.at(-1);
    return last === undefined ? plain : styleOf(last);
  }

  /**
   * A character of two units is replaced as a whole, so that no half of it stays. The other half leaves a blank.
   * @param keepsWidth what follows keeps its columns
   */
  #replace(from: number, to: number, text: string, style: Style, keepsWidth: boolean): void {
    const old = this.text;
    const start = splitsCharacter(old, from) ? from - 1 : from;
    const end = splitsCharacter(old, to) ? to + 1 : Math.min(to, old.length);
    const written = " ".repeat(from - start) + text + " ".repeat(Math.max(0, end - to));
    const moved = keepsWidth ? 0 : start + written.length - end;
    const next: Run[] = [];
    const add = (at: number, wanted: Style): void => {
      const before = next.at(-1);
      if ((before === undefined ? plain : styleOf(before)) !== wanted) next.push(runOf(at, wanted));
    };
    let after = plain;
    for (const run of this.runs) {
      if (startOf(run) < start) next.push(run);
      if (startOf(run) <= end) after = styleOf(run);
    }
    if (written !== "") add(start, style);
    this.text = old.slice(0, start) + written + old.slice(end);
    if (end < old.length) {
      add(end + moved, after);
      for (const run of this.runs) if (startOf(run) > end) add(startOf(run) + moved, styleOf(run));
    }
    this.runs.splice(0, this.runs.length, ...next);
  }
}

function isHighSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowSurrogate(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit < 0xe000;
}
