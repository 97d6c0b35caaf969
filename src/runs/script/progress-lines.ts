/**
 * Reads the lines on a script's standard error that tell how far it is: `::progress 0.4 packing region files`, or
 * `40%`. They are removed from the stream. All other bytes pass unchanged, however they are cut.
 */
export type ProgressListener = (fraction: number, message: string | undefined) => void;

const newline = 10;
const mark = Buffer.from("::progress ");
const none = Buffer.alloc(0);

export class ProgressLines {
  readonly #maxLineBytes: number;
  readonly #report: ProgressListener;
  /** The beginning of a line that may still become a progress line. */
  #held: Buffer = none;
  #atLineStart = true;

  /** @param maxLineBytes a longer line is not a progress line, whatever it begins with */
  constructor(maxLineBytes: number, report: ProgressListener) {
    this.#maxLineBytes = maxLineBytes;
    this.#report = report;
  }

  /** The bytes to pass on now. */
  push(chunk: Buffer): Buffer[] {
    const passed: Buffer[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#held.length > 0 || (this.#atLineStart && rest[0] === mark[0])) {
        rest = this.#takeLine(rest, passed);
        continue;
      }
      const before = rest.indexOf("\n:");
      const end = before === -1 ? rest.length : before + 1;
      this.#pass(rest.subarray(0, end), passed);
      rest = rest.subarray(end);
    }
    return passed;
  }

  /** The last line may have no newline. */
  end(): Buffer[] {
    const passed: Buffer[] = [];
    if (this.#held.length > 0) this.#finishLine(this.#held, passed);
    this.#held = none;
    return passed;
  }

  #takeLine(rest: Buffer, passed: Buffer[]): Buffer {
    const at = rest.indexOf(newline);
    const end = at === -1 ? rest.length : at + 1;
    const part = rest.subarray(0, end);
    const line = this.#held.length === 0 ? part : Buffer.concat([this.#held, part]);
    const known = Math.min(line.length, mark.length);
    const mayBeOurs = line.length <= this.#maxLineBytes && line.compare(mark, 0, known, 0, known) === 0;
    this.#held = none;
    if (!mayBeOurs) this.#pass(line, passed);
    else if (at === -1) this.#held = Buffer.from(line);
    else this.#finishLine(line, passed);
    return rest.subarray(end);
  }

  #finishLine(line: Buffer, passed: Buffer[]): void {
    const progress = parseLine(line);
    if (progress === undefined) this.#pass(line, passed);
    else this.#report(progress.fraction, progress.message);
    this.#atLineStart = true;
  }

  #pass(bytes: Buffer, passed: Buffer[]): void {
    this.#atLineStart = bytes.at(-1) === newline;
    passed.push(bytes);
  }
}

function parseLine(line: Buffer): { readonly fraction: number; readonly message: string | undefined } | undefined {
  if (line.length < mark.length) return undefined;
  const text = line.toString("utf8", mark.length).replace(/\r?\n?$/, "");
  const [, amount, percent, message = ""] = /^([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(%?)(?: +(.*))?$/s.exec(text) ?? [];
  if (amount === undefined) return undefined;
  const fraction = percent === "%" ? Number(amount) / 100 : Number(amount);
  // A line with a wrong share stays visible, so that its author sees it.
  return fraction > 1 ? undefined : { fraction, message: message === "" ? undefined : message };
}
