/**
 * A screen without a right edge. The cursor can move over its last lines, as on a terminal of that height; what has
 * left it at the top does not change any more, and goes to the store.
 */
import { ChangingLine, type Line } from "./line.js";
import { LineStore, type StoreLimits } from "./line-store.js";
import type { Style } from "./style.js";

export const screenLimits = {
  /** As high as a large terminal, so that what draws many bars at once finds them all. */
  heightLines: 60,
  /** A longer line goes on in the next one. The browser lays out a line as a whole, so it must not be too long. */
  maxColumns: 4096,
  /** More cannot be scrolled to: a browser's elements have a largest height. */
  maxLines: 600_000,
  maxBytes: 96 * 2 ** 20,
  /** So many lines or characters go to the store at once. */
  batchLines: 512,
  batchCharacters: 65_536,
} as const;

const tabWidth = 8;

export class Screen {
  readonly #store: LineStore;
  readonly #heightLines: number;
  /** First those that wait to go to the store, then those of the screen. */
  readonly #lines: ChangingLine[] = [new ChangingLine()];
  /** The first line of the screen in `#lines`. It never goes back, so that erasing lines brings no old ones in. */
  #top = 0;
  #row = 0;
  #column = 0;
  #waitingCharacters = 0;

  constructor(limits: StoreLimits & { readonly heightLines?: number } = screenLimits) {
    this.#store = new LineStore(limits);
    this.#heightLines = limits.heightLines ?? screenLimits.heightLines;
  }

  /** The number of the first line that is still kept. */
  get first(): number {
    return this.#store.first;
  }

  /** The number after that of the last line. An empty last line does not count. */
  get end(): number {
    const end = this.#store.end + this.#lines.length;
    return this.#lines.at(-1)?.text === "" ? end - 1 : end;
  }

  /** Lines before this one do not change any more. */
  get settled(): number {
    return this.#store.end;
  }

  get store(): LineStore {
    return this.#store;
  }

  line(number: number): Line | undefined {
    return number < this.#store.end ? this.#store.line(number) : this.#lines[number - this.#store.end];
  }

  write(text: string, style: Style): void {
    let rest = text;
    while (rest !== "") {
      const room = screenLimits.maxColumns - this.#column;
      if (room <= 0) {
        this.newLine();
        continue;
      }
      const take = rest.length <= room ? rest.length : room - (isHighSurrogate(rest.charCodeAt(room - 1)) ? 1 : 0);
      if (take === 0) {
        this.newLine();
        continue;
      }
      this.#current().write(this.#column, rest.slice(0, take), style);
      this.#column += take;
      rest = rest.slice(take);
    }
  }

  newLine(): void {
    this.#column = 0;
    this.#row++;
    if (this.#row < this.#lines.length) return;
    this.#lines.push(new ChangingLine());
    if (this.#lines.length - this.#top > this.#heightLines) {
      this.#waitingCharacters += this.#lines[this.#top]?.text.length ?? 0;
      this.#top++;
      if (this.#top >= screenLimits.batchLines || this.#waitingCharacters >= screenLimits.batchCharacters)
        this.#settle();
    }
  }

  returnToStart(): void {
    this.#column = 0;
  }

  /** At the end of a line the tab itself stays, so that copied text has it. */
  tab(style: Style): void {
    if (this.#column === this.#current().text.length) this.write("\t", style);
    else this.toColumn((Math.floor(this.#column / tabWidth) + 1) * tabWidth);
  }

  move(rows: number, columns: number): void {
    this.#row = Math.max(this.#top, Math.min(this.#lines.length - 1, this.#row + rows));
    this.toColumn(this.#column + columns);
  }

  toColumn(column: number): void {
    this.#column = Math.max(0, Math.min(screenLimits.maxColumns - 1, column));
  }

  /** The row counts from the top of the screen, from 0. */
  toRow(row: number): void {
    this.#row = Math.max(this.#top, Math.min(this.#lines.length - 1, this.#top + row));
  }

  /** @param part 0: from the cursor on; 1: up to the cursor; 2: all of it */
  eraseInLine(part: number): void {
    if (part === 0) this.#current().cut(this.#column);
    else if (part === 1) this.#current().blank(0, this.#column + 1);
    else if (part === 2) this.#current().cut(0);
  }

  /** @param part as for lines. Nothing is erased that has left the screen. */
  eraseInScreen(part: number): void {
    if (part !== 0 && part !== 1 && part !== 2) return;
    this.eraseInLine(part);
    if (part !== 1) this.#lines.length = this.#row + 1;
    if (part !== 0) for (let row = this.#top; row < this.#row; row++) this.#lines[row]?.cut(0);
  }

  /** @param final the last byte of the sequence: P and X remove and blank characters, @ inserts blanks, L and M insert and delete lines */
  edit(final: string, count: number): void {
    const line = this.#current();
    if (final === "P") line.remove(this.#column, count);
    else if (final === "X") line.blank(this.#column, this.#column + count);
    else if (final === "@") {
      const room = screenLimits.maxColumns - line.text.length;
      line.insert(this.#column, Math.max(0, Math.min(count, room)));
    } else if (final === "M") {
      this.#lines.splice(this.#row, count);
      this.#current();
    } else if (final === "L") {
      const most = Math.min(count, this.#heightLines - (this.#row - this.#top));
      this.#lines.splice(this.#row, 0, ...Array.from({ length: most }, () => new ChangingLine()));
      this.#lines.length = Math.min(this.#lines.length, this.#top + this.#heightLines);
    }
  }

  #current(): ChangingLine {
    let line = this.#lines[this.#row];
    if (line === undefined) {
      line = new ChangingLine();
      this.#lines[this.#row] = line;
    }
    return line;
  }

  #settle(): void {
    this.#store.add(this.#lines.splice(0, this.#top));
    this.#row -= this.#top;
    this.#top = 0;
    this.#waitingCharacters = 0;
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
