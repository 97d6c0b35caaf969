/**
 * The screen of a terminal, with a fixed number of rows and columns, as programs expect it that draw on all of it. What
 * leaves it at the top goes to the store, as with any other output. The other screen that editors switch to keeps nothing.
 */
import { cellsOf, lineOfCells } from "./cell-text.js";
import { ChangingLine, splitsCharacter, type Line } from "./line.js";
import { LineStore } from "./line-store.js";
import { screenLimits } from "./screen.js";
import { groundOf, plain, type Style } from "./style.js";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

interface Cursor {
  readonly row: number;
  readonly column: number;
  readonly style: Style;
}

const tabWidth = 8;

export class TerminalScreen {
  readonly store = new LineStore(screenLimits);
  style: Style = plain;
  /** What the program asked for. */
  readonly modes = { applicationCursor: false, bracketedPaste: false, cursor: true, wrap: true, insert: false };
  /** Lines above the screen that wait to go to the store. */
  readonly #waiting: Line[] = [];
  #lines: ChangingLine[];
  /** The lines of the usual screen while the other one is shown. */
  #usual: ChangingLine[] | undefined;
  #columns: number;
  #row = 0;
  #column = 0;
  /** A character was written in the last column. The next one goes to the next row. */
  #isPastEnd = false;
  /** The rows that scroll, both among them. */
  #region: { top: number; bottom: number };
  #saved: Cursor = { row: 0, column: 0, style: plain };
  #beforeOther: Cursor | undefined;
  #lastCharacter = "";
  #hasEnded = false;

  constructor({ columns, rows }: TerminalSize) {
    this.#columns = columns;
    this.#lines = emptyLines(rows);
    this.#region = { top: 0, bottom: rows - 1 };
  }

  get size(): TerminalSize {
    return { columns: this.#columns, rows: this.#lines.length };
  }

  /** Where the next character goes; the line counts as those of the output. */
  get cursor(): { readonly line: number; readonly column: number } {
    return { line: this.top + this.#row, column: Math.min(this.#column, this.#columns - 1) };
  }

  /** An editor or a pager has the whole screen. */
  get isOther(): boolean {
    return this.#usual !== undefined;
  }

  get first(): number {
    return this.store.first;
  }

  /** All rows count while the program runs, so that what it drew stays in its place. */
  get end(): number {
    let rows = this.#lines.length;
    if (this.#hasEnded) while (rows > 0 && this.#lines[rows - 1]?.text.trimEnd() === "") rows--;
    return this.top + rows;
  }

  get settled(): number {
    return this.store.end;
  }

  line(number: number): Line | undefined {
    if (number < this.store.end) return this.store.line(number);
    if (number < this.top) return this.#waiting[number - this.store.end];
    const line = this.#lines[number - this.top];
    return line === undefined ? undefined : lineOfCells(line);
  }

  /** Rows that the program left empty at the end do not count any more. */
  finish(): void {
    this.#hasEnded = true;
  }

  write(text: string): void {
    for (let rest = cellsOf(text); rest !== "";) {
      if (this.#isPastEnd) {
        this.#isPastEnd = false;
        if (this.modes.wrap) {
          this.#column = 0;
          this.lineFeed();
        } else this.#column = this.#columns - 1;
      }
      const room = this.#columns - this.#column;
      const take = rest.length <= room ? rest.length : Math.max(1, room - (splitsCharacter(rest, room) ? 1 : 0));
      // A pair that finds one column left goes to the next row.
      if (splitsCharacter(rest, take) && this.#column > 0 && this.modes.wrap) {
        this.#isPastEnd = true;
        continue;
      }
      const piece = rest.slice(0, splitsCharacter(rest, take) ? take + 1 : take);
      if (this.modes.insert) this.#current().insert(this.#column, piece.length);
      this.#current().write(this.#column, piece, this.style);
      this.#trim();
      this.#column += piece.length;
      if (this.#column >= this.#columns) {
        this.#column = this.#columns - 1;
        this.#isPastEnd = true;
      }
      rest = rest.slice(piece.length);
    }
    this.#lastCharacter = /.$/su.exec(text.slice(-2))?.[0] ?? "";
  }

  repeat(count: number): void {
    this.write(this.#lastCharacter.repeat(Math.min(count, this.#columns)));
  }

  lineFeed(): void {
    this.#isPastEnd = false;
    if (this.#row === this.#region.bottom) this.scroll(1);
    else this.#row = Math.min(this.#lines.length - 1, this.#row + 1);
  }

  reverseLineFeed(): void {
    this.#isPastEnd = false;
    if (this.#row === this.#region.top) this.scroll(-1);
    else this.#row = Math.max(0, this.#row - 1);
  }

  /** Moves the rows of the region, up with a positive count. Rows that leave the screen itself stay above it. */
  scroll(count: number): void {
    const { top, bottom } = this.#region;
    for (let left = Math.min(Math.abs(count), bottom - top + 1); left > 0; left--) {
      const [gone] = this.#lines.splice(count > 0 ? top : bottom, 1);
      this.#lines.splice(count > 0 ? bottom : top, 0, this.#emptyLine());
      if (gone !== undefined && count > 0 && top === 0) this.#keep(gone);
    }
  }

  /** Inserts rows at the cursor, or takes them out with a negative count. */
  insertRows(count: number): void {
    const { top, bottom } = this.#region;
    if (this.#row < top || this.#row > bottom) return;
    for (let left = Math.min(Math.abs(count), bottom - this.#row + 1); left > 0; left--) {
      this.#lines.splice(count > 0 ? bottom : this.#row, 1);
      this.#lines.splice(count > 0 ? this.#row : bottom, 0, this.#emptyLine());
    }
    this.#column = 0;
  }

  setRegion(first: number, last: number): void {
    const bottom = (last === 0 ? this.#lines.length : Math.min(last, this.#lines.length)) - 1;
    const top = Math.max(1, first) - 1;
    if (top >= bottom) return;
    this.#region = { top, bottom };
    this.moveTo(0, 0);
  }

  move(rows: number, columns: number): void {
    // Within the region, its edges stop the cursor.
    const { top, bottom } = this.#region;
    const least = this.#row >= top ? top : 0;
    const most = this.#row <= bottom ? bottom : this.#lines.length - 1;
    this.moveTo(Math.max(least, Math.min(most, this.#row + rows)), this.#column + columns);
  }

  moveTo(row: number, column: number): void {
    this.#isPastEnd = false;
    this.#row = Math.max(0, Math.min(this.#lines.length - 1, row));
    this.#column = Math.max(0, Math.min(this.#columns - 1, column));
  }

  toRow(row: number): void {
    this.moveTo(row, this.#column);
  }

  toColumn(column: number): void {
    this.moveTo(this.#row, column);
  }

  /** @param count negative: back */
  tab(count: number): void {
    this.toColumn((Math.floor((this.#column + (count < 0 ? tabWidth - 1 : 0)) / tabWidth) + count) * tabWidth);
  }

  /** @param part 0: from the cursor on; 1: up to the cursor; 2: all of it */
  eraseInLine(part: number): void {
    if (part === 0) this.#blank(this.#row, this.#column, this.#columns);
    else if (part === 1) this.#blank(this.#row, 0, this.#column + 1);
    else if (part === 2) this.#blank(this.#row, 0, this.#columns);
    this.#isPastEnd = false;
  }

  eraseInScreen(part: number): void {
    if (part > 2) return;
    this.eraseInLine(part);
    const [from, to] =
      part === 0 ? [this.#row + 1, this.#lines.length] : [0, part === 1 ? this.#row : this.#lines.length];
    for (let row = from; row < to; row++) this.#blank(row, 0, this.#columns);
  }

  /** @param final the last byte of the sequence: P removes characters, X blanks them, @ inserts blanks */
  edit(final: "P" | "X" | "@", count: number): void {
    const line = this.#current();
    this.#isPastEnd = false;
    if (final === "P") {
      line.remove(this.#column, Math.min(count, this.#columns));
      const ground = groundOf(this.style);
      if (ground !== plain) this.#blank(this.#row, Math.max(line.text.length, this.#columns - count), this.#columns);
    } else if (final === "X") this.#blank(this.#row, this.#column, this.#column + count);
    else {
      line.insert(this.#column, Math.min(count, this.#columns));
      this.#trim();
    }
  }

  saveCursor(): void {
    this.#saved = { row: this.#row, column: this.#column, style: this.style };
  }

  restoreCursor(): void {
    this.moveTo(this.#saved.row, this.#saved.column);
    this.style = this.#saved.style;
  }

  /** Editors and pagers draw on another screen, and give the usual one back as it was. */
  showOther(isOther: boolean): void {
    if (isOther === this.isOther) return;
    if (isOther) {
      this.#beforeOther = { row: this.#row, column: this.#column, style: this.style };
      this.#usual = this.#lines;
      this.#lines = emptyLines(this.#lines.length);
    } else {
      this.#lines = this.#usual ?? this.#lines;
      this.#usual = undefined;
      if (this.#beforeOther !== undefined) {
        this.moveTo(this.#beforeOther.row, this.#beforeOther.column);
        this.style = this.#beforeOther.style;
      }
    }
  }

  /** As it was in the beginning, but for what stands above the screen. */
  reset(): void {
    this.showOther(false);
    Object.assign(this.modes, {
      applicationCursor: false,
      bracketedPaste: false,
      cursor: true,
      wrap: true,
      insert: false,
    });
    this.style = plain;
    this.#region = { top: 0, bottom: this.#lines.length - 1 };
    this.eraseInScreen(2);
    this.moveTo(0, 0);
    this.saveCursor();
  }

  /**
   * It takes the region back. The program sets it again when it draws for the new size. Nobody tells it about a size that it
   * has already, so that changes nothing here either.
   */
  resize({ columns, rows }: TerminalSize): void {
    if (columns === this.#columns && rows === this.#lines.length) return;
    this.#columns = columns;
    const gone = this.#fit(this.#lines, rows, this.#row);
    if (!this.isOther) for (const line of gone) this.#keep(line);
    if (this.#usual !== undefined && this.#beforeOther !== undefined) {
      const { row } = this.#beforeOther;
      const above = this.#fit(this.#usual, rows, row);
      for (const line of above) this.#settle(line);
      this.#beforeOther = { ...this.#beforeOther, row: row - above.length };
    }
    this.#region = { top: 0, bottom: rows - 1 };
    this.moveTo(this.#row - gone.length, this.#column);
  }

  /** Takes away empty rows below the cursor, then rows at the top, which it returns. */
  #fit(lines: ChangingLine[], rows: number, cursorRow: number): ChangingLine[] {
    while (lines.length > rows && lines.length - 1 > cursorRow && lines.at(-1)?.text === "") lines.pop();
    const gone = lines.splice(0, Math.max(0, lines.length - rows));
    lines.push(...emptyLines(Math.max(0, rows - lines.length)));
    return gone;
  }

  /** The number of the first row of the screen. */
  get top(): number {
    return this.store.end + this.#waiting.length;
  }

  #keep(line: ChangingLine): void {
    if (!this.isOther) this.#settle(line);
  }

  #settle(line: ChangingLine): void {
    this.#waiting.push(lineOfCells(line));
    if (this.#waiting.length < screenLimits.batchLines) return;
    this.store.add(this.#waiting.splice(0));
  }

  #current(): ChangingLine {
    return this.#lines[this.#row] ?? new ChangingLine();
  }

  #emptyLine(): ChangingLine {
    const line = new ChangingLine();
    const ground = groundOf(this.style);
    if (ground !== plain) line.write(0, " ".repeat(this.#columns), ground);
    return line;
  }

  /** What is erased takes the ground that is set now. */
  #blank(row: number, from: number, to: number): void {
    const line = this.#lines[row];
    if (line === undefined) return;
    const end = Math.min(to, this.#columns);
    const ground = groundOf(this.style);
    if (ground !== plain) line.write(from, " ".repeat(Math.max(0, end - from)), ground);
    else if (end >= line.text.length) line.cut(from);
    else line.blank(from, end);
  }

  #trim(): void {
    this.#current().cut(this.#columns);
  }
}

function emptyLines(count: number): ChangingLine[] {
  return Array.from({ length: count }, () => new ChangingLine());
}
