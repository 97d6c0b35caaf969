/* eslint-disable no-control-regex -- control characters are what this file is about */
/**
 * Reads the text of one channel, cut at any place, and works on the screen: what moves the cursor, erases, or sets a
 * style has its effect. What only controls a terminal, such as its title, is left out. Every other control character is
 * shown as text, so nothing in the output can hide or turn what is shown.
 */
import { visibleControl } from "../../../src/text/visible-text.js";
import type { Screen } from "./screen.js";
import { applySgr, type Style } from "./style.js";

// These are C0 and DEL, C1, line and paragraph separators, and the marks that change the direction of text.
const special = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const controlSequence = /\u001b\[([0-9;:]{0,64})([@A-HJ-MPXdfm])/y;
/** These change modes, ask the terminal, or name character sets. They mean nothing here. */
const ignoredSequence = /\u001b(?:\[[<-?][0-9;:$]{0,64}[a-zA-Z]|\[[0-9;]{0,64}[STchlnrstuq]|[()][AB0-2]|[78=>M])/y;
/** An operating system command: a title, or a link whose text follows. */
const systemCommand =
  /\u001b\](?:0|1|2|4|7|8|9|10|11|133|1337);?[^\u0000-\u001f\u007f-\u009f]{0,2048}(?:\u0007|\u001b\\)/y;
/** The beginning of any of these, which may be complete when more text comes. */
const beginning = /\u001b(?:[()]|\[[<-?]?[0-9;:$]{0,64}|\][0-9]{0,4};?[^\u0000-\u001f\u007f-\u009f]{0,2048}\u001b?)?$/y;

export class Channel {
  readonly #screen: Screen;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #style: Style;
  #held = "";

  /** @param style that of everything on this channel, beside what the output itself sets */
  constructor(screen: Screen, style: Style) {
    this.#screen = screen;
    this.#style = style;
  }

  push(bytes: Uint8Array): void {
    this.#show(this.#held + this.#decoder.decode(bytes, { stream: true }), false);
  }

  /** Shows what is left, when no more will come. */
  end(): void {
    this.#show(this.#held + this.#decoder.decode(), true);
  }

  #show(text: string, isWhole: boolean): void {
    this.#held = "";
    let done = 0;
    special.lastIndex = 0;
    for (let found = special.exec(text); found !== null; found = special.exec(text)) {
      const at = found.index;
      const [character] = found;
      if (at > done) this.#screen.write(text.slice(done, at), this.#style);
      done = at + 1;
      if (this.#control(character)) continue;
      if (character === "\u001b") {
        const length = this.#sequence(text, at);
        if (length > 0) {
          done = at + length;
          special.lastIndex = done;
          continue;
        }
        if (!isWhole && matchAt(beginning, text, at) !== null) {
          this.#held = text.slice(at);
          return;
        }
      }
      this.#screen.write(visibleControl(character), this.#style);
    }
    if (done < text.length) this.#screen.write(text.slice(done), this.#style);
  }

  #control(character: string): boolean {
    if (character === "\n") this.#screen.newLine();
    else if (character === "\r") this.#screen.returnToStart();
    else if (character === "\b") this.#screen.move(0, -1);
    else if (character === "\t") this.#screen.tab(this.#style);
    else return false;
    return true;
  }

  /** Does what the sequence at this place says. Returns its length, and 0 when there is none that it knows. */
  #sequence(text: string, at: number): number {
    const control = matchAt(controlSequence, text, at);
    if (control !== null) {
      const [whole, parameters = "", final = ""] = control;
      this.#act(final, parameters);
      return whole.length;
    }
    return (matchAt(ignoredSequence, text, at) ?? matchAt(systemCommand, text, at))?.[0].length ?? 0;
  }

  #act(final: string, parameters: string): void {
    if (final === "m") {
      this.#style = applySgr(this.#style, parameters);
      return;
    }
    const numbers = parameters.split(";").map((text) => Math.min(Number.parseInt(text, 10) || 0, 100_000));
    const [first = 0, second = 0] = numbers;
    const count = Math.max(1, first);
    const screen = this.#screen;
    if (final === "A") screen.move(-count, 0);
    else if (final === "B") screen.move(count, 0);
    else if (final === "C") screen.move(0, count);
    else if (final === "D") screen.move(0, -count);
    else if (final === "G") screen.toColumn(count - 1);
    else if (final === "d") screen.toRow(count - 1);
    else if (final === "J") screen.eraseInScreen(first);
    else if (final === "K") screen.eraseInLine(first);
    else if ("@LMPX".includes(final)) screen.edit(final, count);
    else if (final === "E" || final === "F") {
      screen.move(final === "E" ? count : -count, 0);
      screen.returnToStart();
    } else if (final === "H" || final === "f") {
      screen.toRow(count - 1);
      screen.toColumn(Math.max(1, second) - 1);
    }
  }
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
