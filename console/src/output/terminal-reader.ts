/* eslint-disable no-control-regex -- control characters are what this file is about */
/**
 * Reads what a program sends to its terminal, cut at any place, and works on the screen (ECMA-48, and what xterm adds, as
 * programs know it from terminfo). Sequences that it does not know do nothing, as on any terminal.
 */
import { visibleControl } from "../../../src/text/visible-text.js";
import { applySgr } from "./style.js";
import type { TerminalScreen } from "./terminal-screen.js";

// These are the same as for other output.
const special = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const controlSequence = /\u001b\[([<-?]?)([0-9;:]{0,64})([ -/]{0,4})([@-~])/y;
/** Operating system commands, and strings for devices. None of them is text. */
const controlString = /\u001b[\]PX^_][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)/y;
const shortSequence = /\u001b([ -/]?)([0-OQ-WYZ\\`-~])/y;
/** The beginning of any of these, which may be complete when more text comes. */
const beginning = /\u001b(?:[ -/]|\[[<-?]?[0-9;:]{0,64}[ -/]{0,4}|[\]PX^_][^\u0007\u001b]{0,4096}\u001b?)?$/y;

const lineDrawing = "◆▒␉␌␍␊°±␤␋┘┐┌└┼⎺⎻─⎼⎽├┤┴┬│≤≥π≠£·";

type Action = (screen: TerminalScreen, count: number, first: number, second: number) => void;

/** What sequences do, by their last byte. A count that is missing or 0 is 1. */
const actions: Readonly<Record<string, Action>> = {
  "@": (screen, count) => screen.edit("@", count),
  A: (screen, count) => screen.move(-count, 0),
  B: (screen, count) => screen.move(count, 0),
  C: (screen, count) => screen.move(0, count),
  D: (screen, count) => screen.move(0, -count),
  E(screen, count) {
    screen.move(count, 0);
    screen.toColumn(0);
  },
  F(screen, count) {
    screen.move(-count, 0);
    screen.toColumn(0);
  },
  G: (screen, count) => screen.toColumn(count - 1),
  H: (screen, count, _first, second) => screen.moveTo(count - 1, Math.max(1, second) - 1),
  I: (screen, count) => screen.tab(count),
  J: (screen, _count, first) => screen.eraseInScreen(first),
  K: (screen, _count, first) => screen.eraseInLine(first),
  L: (screen, count) => screen.insertRows(count),
  M: (screen, count) => screen.insertRows(-count),
  P: (screen, count) => screen.edit("P", count),
  S: (screen, count) => screen.scroll(count),
  T: (screen, count) => screen.scroll(-count),
  X: (screen, count) => screen.edit("X", count),
  Z: (screen, count) => screen.tab(-count),
  "`": (screen, count) => screen.toColumn(count - 1),
  a: (screen, count) => screen.move(0, count),
  b: (screen, count) => screen.repeat(count),
  d: (screen, count) => screen.toRow(count - 1),
  e: (screen, count) => screen.move(count, 0),
  f: (screen, count, _first, second) => screen.moveTo(count - 1, Math.max(1, second) - 1),
  h(screen, _count, first) {
    if (first === 4) screen.modes.insert = true;
  },
  l(screen, _count, first) {
    if (first === 4) screen.modes.insert = false;
  },
  r: (screen, _count, first, second) => screen.setRegion(first, second),
  s: (screen) => screen.saveCursor(),
  u: (screen) => screen.restoreCursor(),
};

export class TerminalReader {
  readonly #screen: TerminalScreen;
  readonly #answer: (text: string) => void;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #held = "";
  /** Letters stand for lines and corners (VT100). */
  #isDrawing = false;

  /** @param answer gets what a terminal sends to a program that asks for its kind, or for the place of its cursor */
  constructor(screen: TerminalScreen, answer: (text: string) => void) {
    this.#screen = screen;
    this.#answer = answer;
  }

  push(bytes: Uint8Array): void {
    this.#read(this.#held + this.#decoder.decode(bytes, { stream: true }), false);
  }

  end(): void {
    this.#read(this.#held + this.#decoder.decode(), true);
  }

  #read(text: string, isWhole: boolean): void {
    this.#held = "";
    let done = 0;
    special.lastIndex = 0;
    for (let found = special.exec(text); found !== null; found = special.exec(text)) {
      const at = found.index;
      const [character] = found;
      if (at > done) this.#write(text.slice(done, at));
      done = at + 1;
      if (this.#control(character)) continue;
      if (character === "\u001b") {
        const length = this.#sequence(text, at);
        if (length > 0) {
          done = at + length;
          special.lastIndex = done;
          continue;
        }
        beginning.lastIndex = at;
        if (!isWhole && beginning.test(text)) {
          this.#held = text.slice(at);
          return;
        }
      }
      this.#screen.write(visibleControl(character));
    }
    if (done < text.length) this.#write(text.slice(done));
  }

  #write(text: string): void {
    const drawn = this.#isDrawing
      ? text.replaceAll(/[`-~]/g, (letter) => lineDrawing[letter.charCodeAt(0) - 0x60] ?? letter)
      : text;
    this.#screen.write(drawn);
  }

  #control(character: string): boolean {
    const screen = this.#screen;
    if (character === "\n" || character === "\v" || character === "\f") screen.lineFeed();
    else if (character === "\r") screen.toColumn(0);
    else if (character === "\b") screen.move(0, -1);
    else if (character === "\t") screen.tab(1);
    // The bell, fillers, and shifts to a second character set, which is always the first one here.
    else return "\u0000\u0007\u000e\u000f\u007f".includes(character);
    return true;
  }

  /** Does what the sequence at this place says. Returns its length, and 0 when there is none. */
  #sequence(text: string, at: number): number {
    controlSequence.lastIndex = at;
    const control = controlSequence.exec(text);
    if (control !== null) {
      const [whole, mark = "", parameters = "", between = "", final = ""] = control;
      if (between === "" && mark === "") this.#act(final, parameters);
      else if (between === "" && mark === "?" && (final === "h" || final === "l"))
        for (const mode of parameters.split(";")) this.#setMode(Number(mode), final === "h");
      else if (between === "!" && final === "p") this.#reset();
      return whole.length;
    }
    controlString.lastIndex = at;
    const string = controlString.exec(text);
    if (string !== null) return string[0].length;
    shortSequence.lastIndex = at;
    const short = shortSequence.exec(text);
    if (short === null) return 0;
    this.#actShort(short[1] ?? "", short[2] ?? "");
    return short[0].length;
  }

  #actShort(between: string, final: string): void {
    const screen = this.#screen;
    if (between === "(") this.#isDrawing = final === "0";
    else if (between !== "") return;
    else if (final === "7") screen.saveCursor();
    else if (final === "8") screen.restoreCursor();
    else if (final === "D") screen.lineFeed();
    else if (final === "E") {
      screen.toColumn(0);
      screen.lineFeed();
    } else if (final === "M") screen.reverseLineFeed();
    else if (final === "c") this.#reset();
  }

  #reset(): void {
    this.#isDrawing = false;
    this.#screen.reset();
  }

  #setMode(mode: number, isOn: boolean): void {
    const screen = this.#screen;
    if (mode === 1) screen.modes.applicationCursor = isOn;
    else if (mode === 7) screen.modes.wrap = isOn;
    else if (mode === 25) screen.modes.cursor = isOn;
    else if (mode === 2004) screen.modes.bracketedPaste = isOn;
    else if (mode === 47 || mode === 1047 || mode === 1049) screen.showOther(isOn);
    else if (mode === 1048 && isOn) screen.saveCursor();
    else if (mode === 1048) screen.restoreCursor();
  }

  #act(final: string, parameters: string): void {
    const screen = this.#screen;
    if (final === "m") {
      screen.style = applySgr(screen.style, parameters);
      return;
    }
    const [first = 0, second = 0] = parameters
      .split(";")
      .map((text) => Math.min(Number.parseInt(text, 10) || 0, 10_000));
    if (final === "c" && first === 0) this.#answer("\u001b[?1;2c");
    else if (final === "n") this.#report(first);
    else actions[final]?.(screen, Math.max(1, first), first, second);
  }

  #report(what: number): void {
    const { cursor, top } = this.#screen;
    if (what === 5) this.#answer("\u001b[0n");
    else if (what === 6) this.#answer(`\u001b[${cursor.line - top + 1};${cursor.column + 1}R`);
  }
}
