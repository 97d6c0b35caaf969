/* eslint-disable no-control-regex -- control characters are what this file is about */
/**
 * Prepares the output of a command for a terminal. Colours and what progress bars need work. Everything else that could
 * control the terminal is shown as text.
 */
import { visibleControl } from "./visible-text.js";

/**
 * Every sequence that may reach the terminal (ECMA-48). None of them can move the cursor out of its line, change a
 * setting that outlives the run, or make the terminal answer.
 */
export const allowedSequences: readonly {
  readonly pattern: RegExp;
  readonly meaning: string;
  readonly isStyle: boolean;
}[] = [
  // The parameters must have no private prefix: `CSI > 4 ; 1 m` would change what the keyboard sends.
  { pattern: /\u001b\[[0-9;:]{0,64}m/y, meaning: "SGR: colours and styles", isStyle: true },
  // `tput sgr0` writes this before its SGR sequence.
  { pattern: /\u001b\(B/y, meaning: "the character set is ASCII", isStyle: true },
  { pattern: /\u001b\[[012]?K/y, meaning: "EL: erase in line", isStyle: false },
];

/** Characters that move the cursor within its line, or to the next one. */
export const allowedControls = "\b\t\n\r";

// These are C0 and DEL, C1, line and paragraph separators, and the marks that change the direction of text.
const special = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** The beginning of an allowed sequence, which may be complete when more text comes. */
const beginning = /\u001b(?:\(|\[[0-9;:]{0,64})?$/y;

const reset = "\u001b[0m";
// A longer style is dropped and begins again. No program needs so many changes between two resets.
const maxStyleLength = 512;

/** The current style of a terminal. Both channels of a run write to one terminal, so they share it. */
export class TerminalStyle {
  #sequences = "";

  /** The text that brings any terminal to this style, or "" when there is no style. */
  get sequences(): string {
    return this.#sequences;
  }

  /** The text that brings the terminal back to its own style, or "" when it has that already. */
  get reset(): string {
    return this.#sequences === "" ? "" : reset;
  }

  add(sequence: string): void {
    if (sequence === "\u001b(B") return;
    // An empty first parameter is 0, and 0 ends everything that was set before.
    if (/^\u001b\[0*(?:;|m$)/.test(sequence)) this.#sequences = "";
    if (/^\u001b\[[0;]*m$/.test(sequence)) return;
    const next = this.#sequences + sequence;
    this.#sequences = next.length > maxStyleLength ? sequence : next;
  }

  end(): void {
    this.#sequences = "";
  }
}

export interface TerminalTextOptions {
  readonly style: TerminalStyle;
  /** The terminal cannot or must not show colours, so sequences for them are left out. */
  readonly isPlain: boolean;
}

/** Works on one channel. Characters and sequences may be cut at any place. */
export class TerminalText {
  readonly #options: TerminalTextOptions;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #held = "";

  constructor(options: TerminalTextOptions) {
    this.#options = options;
  }

  push(bytes: Uint8Array): string {
    return this.#show(this.#held + this.#decoder.decode(bytes, { stream: true }), false);
  }

  /** The rest, when no more text will come. */
  end(): string {
    return this.#show(this.#held + this.#decoder.decode(), true);
  }

  #show(text: string, isWhole: boolean): string {
    this.#held = "";
    let shown = "";
    let done = 0;
    special.lastIndex = 0;
    for (let found = special.exec(text); found !== null; found = special.exec(text)) {
      const [character] = found;
      const at = found.index;
      if (allowedControls.includes(character)) continue;
      shown += text.slice(done, at);
      done = at + 1;
      if (character === "\u001b") {
        const allowed = sequenceAt(text, at);
        if (allowed !== undefined) {
          shown += this.#pass(allowed.text, allowed.isStyle);
          done = at + allowed.text.length;
          special.lastIndex = done;
          continue;
        }
        if (!isWhole && matchesAt(beginning, text, at)) {
          this.#held = text.slice(at);
          return shown;
        }
      }
      shown += visibleControl(character);
    }
    return shown + text.slice(done);
  }

  #pass(sequence: string, isStyle: boolean): string {
    if (this.#options.isPlain) return "";
    if (isStyle) this.#options.style.add(sequence);
    return sequence;
  }
}

function sequenceAt(text: string, at: number): { readonly text: string; readonly isStyle: boolean } | undefined {
  for (const { pattern, isStyle } of allowedSequences) {
    pattern.lastIndex = at;
    const [found] = pattern.exec(text) ?? [];
    if (found !== undefined) return { text: found, isStyle };
  }
  return undefined;
}

function matchesAt(pattern: RegExp, text: string, at: number): boolean {
  pattern.lastIndex = at;
  return pattern.test(text);
}
