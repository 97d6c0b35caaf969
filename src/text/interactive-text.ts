/**
 * Output of a program that a person types into, such as an editor. It may move the cursor, clear and scroll the screen,
 * use colours and the other screen, and have keys and the mouse reported. What may pass is a list; everything else is
 * left out: titles, the clipboard, printing, and all questions, whose answers could come when the program is gone and a
 * shell reads them. What it has switched is switched back.
 */

const escape = 0x1b;
/** Controls of C0 that terminals obey and that do no harm: BEL, BS, HT, LF, VT, FF, CR, SO, SI. ENQ makes a terminal answer. */
const harmlessControls = new Set([0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]);
/** Begin a text for the terminal itself: OSC, DCS, SOS, PM, APC, and the title of `screen`. It ends with ST. */
const beginsText = new Set(Buffer.from("]PX^_k"));

/** Sequences of two characters: cursor and lines (ECMA-48, 8.3, and DEC), the keypad, and the start of all anew. */
const allowedEscapes = new Set(Buffer.from("78=>DEMc"));
/** Behind ESC, as all that follow: character sets for lines and boxes, which SO and SI switch. */
const characterSet = /^[()*+][0-9A-Z]$/;
/** Control sequences with numbers: cursor, erasing, inserting, scrolling, colours. */
const allowedSequence = /^\[[\d;:]*[@A-HJKLMPSTXZ`abdefmr]$/;
/** Saving and restoring the cursor, which with numbers would be other things. */
const cursorPlace = /^\[[su]$/;
const cursorShape = /^\[[0-6]? q$/;
const insertMode = /^\[4([hl])$/;
const privateModes = /^\[\?([\d;]+)([hl])$/;
/**
 * Keys of the cursor, reversed screen, origin, wrapping, blinking and showing of the cursor, keypad, the other screen, reports
 * of mouse and focus, marks around what is pasted, and output at once.
 */
const knownModes = new Set([
  1, 5, 6, 7, 12, 25, 47, 66, 1000, 1002, 1003, 1004, 1005, 1006, 1015, 1047, 1048, 1049, 2004, 2026,
]);
/** Modes that are on until a program changes them: wrapping of lines, and the cursor. */
const onByDefault = new Set([7, 25]);
const longestSequence = 128;

type State = "text" | "escape" | "sequence" | "private text" | "end of private text";

/** For each thing that may have been switched, what puts it back, in this order. */
const undoing = {
  region: "\u001b7\u001b[r\u001b8",
  keypad: "\u001b>",
  characters: "\u001b(B\u001b)B\u000f",
  insert: "\u001b[4l",
  shape: "\u001b[0 q",
} as const;

/** Sequences may be cut at any place. */
export class InteractiveText {
  #state: State = "text";
  #held: number[] = [];
  /** How many bytes of a character in UTF-8 are still to come. */
  #rest = 0;
  /** The private modes that differ from their default. */
  readonly #modes = new Set<number>();
  readonly #switched = new Set<keyof typeof undoing>();
  #hasStyle = false;

  push(bytes: Uint8Array): Buffer {
    const shown: number[] = [];
    for (const byte of bytes) this.#take(byte, shown);
    return Buffer.from(shown);
  }

  /** Puts the terminal back: what was left switched on is switched off. */
  end(): string {
    this.#state = "text";
    this.#held = [];
    const names = Object.keys(undoing) as (keyof typeof undoing)[];
    const modes = [...this.#modes].map((mode) => `\u001b[?${mode}${onByDefault.has(mode) ? "h" : "l"}`);
    const undone = [
      ...names.filter((name) => this.#switched.has(name)).map((name) => undoing[name]),
      ...modes,
      ...(this.#hasStyle ? ["\u001b[0m"] : []),
    ];
    this.#modes.clear();
    this.#switched.clear();
    this.#hasStyle = false;
    return undone.join("");
  }

  #take(byte: number, shown: number[]): void {
    switch (this.#state) {
      case "text":
        return this.#takeText(byte, shown);
      case "escape":
        return this.#takeEscape(byte, shown);
      case "sequence":
        return this.#takeSequence(byte, shown);
      case "private text":
        if (byte === escape) this.#state = "end of private text";
        // BEL ends it as ST does; CAN and SUB break it off.
        else if (byte === 0x07 || byte === 0x18 || byte === 0x1a) this.#state = "text";
        return;
      case "end of private text":
        this.#state = "text";
        if (byte !== 0x5c) this.#beginEscape(byte, shown);
    }
  }

  #takeText(byte: number, shown: number[]): void {
    if (this.#rest > 0 && (byte & 0xc0) === 0x80) {
      this.#rest--;
      // C1 controls in UTF-8 are C2 80 to C2 9F.
      if (this.#held.length > 0) {
        this.#held = [];
        if (byte >= 0xa0) shown.push(0xc2, byte);
        return;
      }
      shown.push(byte);
      return;
    }
    this.#held = [];
    this.#rest = byte >= 0xf0 && byte < 0xf5 ? 3 : byte >= 0xe0 ? 2 : byte >= 0xc2 ? 1 : 0;
    if (byte >= 0xf5) this.#rest = 0;
    if (byte === escape) this.#beginSequence("escape");
    else if (byte === 0xc2) this.#held = [byte];
    else if (byte < 0x20 ? harmlessControls.has(byte) : byte !== 0x7f && (byte < 0x80 || this.#rest > 0)) {
      if (byte === 0x0e) this.#switched.add("characters");
      shown.push(byte);
    }
  }

  #beginSequence(state: State): void {
    this.#state = state;
    this.#held = [escape];
    this.#rest = 0;
  }

  #beginEscape(byte: number, shown: number[]): void {
    this.#beginSequence("escape");
    this.#takeEscape(byte, shown);
  }

  #takeEscape(byte: number, shown: number[]): void {
    const isFirst = this.#held.length === 1;
    if (isFirst && byte === 0x5b) {
      this.#held.push(byte);
      this.#state = "sequence";
    } else if (isFirst && beginsText.has(byte)) {
      this.#held = [];
      this.#state = "private text";
    } else if (byte >= 0x20 && byte < 0x30 && this.#held.length < 3) this.#held.push(byte);
    else if (byte >= 0x30 && byte < 0x7f) this.#endEscape(byte, shown);
    else this.#breakOff(byte, shown);
  }

  #endEscape(byte: number, shown: number[]): void {
    const sequence = [...this.#held, byte];
    this.#state = "text";
    this.#held = [];
    if (
      sequence.length === 2 ? !allowedEscapes.has(byte) : !characterSet.test(String.fromCharCode(...sequence.slice(1)))
    )
      return;
    shown.push(...sequence);
    if (sequence.length > 2) this.#switched.add("characters");
    else if (byte === 0x3d) this.#switched.add("keypad");
    else if (byte === 0x3e) this.#switched.delete("keypad");
  }

  #takeSequence(byte: number, shown: number[]): void {
    if (byte >= 0x20 && byte < 0x40) {
      // A longer sequence is left out as a whole: its bytes are not held any more, but its end must be found.
      if (this.#held.length <= longestSequence) this.#held.push(byte);
    } else if (byte >= 0x40 && byte < 0x7f) {
      const sequence = [...this.#held, byte];
      this.#state = "text";
      this.#held = [];
      if (sequence.length <= longestSequence && this.#mayPass(String.fromCharCode(...sequence.slice(1))))
        shown.push(...sequence);
    } else this.#breakOff(byte, shown);
  }

  /** A byte that has no place in a sequence ends it, and counts by itself. */
  #breakOff(byte: number, shown: number[]): void {
    this.#held = [];
    this.#state = "text";
    this.#takeText(byte, shown);
  }

  /** The sequence comes without its ESC. What it switches is remembered. */
  #mayPass(sequence: string): boolean {
    if (allowedSequence.test(sequence)) {
      if (sequence.endsWith("m")) this.#hasStyle = true;
      if (sequence.endsWith("r")) this.#switched.add("region");
      return true;
    }
    if (cursorShape.test(sequence)) {
      this.#switched.add("shape");
      return true;
    }
    const insert = insertMode.exec(sequence)?.[1];
    if (insert === "h") this.#switched.add("insert");
    if (insert === "l") this.#switched.delete("insert");
    if (insert !== undefined || cursorPlace.test(sequence)) return true;
    const [, numbers = "", end] = privateModes.exec(sequence) ?? [];
    const modes = numbers.split(";").map(Number);
    if (end === undefined || !modes.every((mode) => knownModes.has(mode))) return false;
    for (const mode of modes) {
      if ((end === "h") === onByDefault.has(mode)) this.#modes.delete(mode);
      else this.#modes.add(mode);
    }
    return true;
  }
}
