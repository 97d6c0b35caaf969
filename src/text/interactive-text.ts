/**
 * Output of a program that a person types into, such as an editor. It may move the cursor, clear and scroll the screen,
 * use the other screen and report keys of the mouse. It may not set titles, reach the clipboard, print, or have the
 * terminal send back what was on the screen: these sequences are left out. What it has switched is switched back.
 */

const escape = 0x1b;
/** Controls of C0 that terminals obey and that do no harm: BEL, BS, HT, LF, VT, FF, CR, SO, SI. ENQ makes a terminal answer. */
const harmlessControls = new Set([0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]);
/** Begin a text for the terminal itself: OSC, DCS, SOS, PM, APC, and the title of `screen`. It ends with ST. */
const beginsText = new Set(Buffer.from("]PX^_k"));
/**
 * Ends of control sequences (ECMA-48, 5.4) that are left out: `i` prints, `t` moves windows and reports titles, `y`
 * tests the terminal and reports sums over its screen.
 */
const refusedEnds = new Set(Buffer.from("ity"));
/** Other character sets, and sizes of lines. `ESC %` would end UTF-8, and then other bytes are controls. */
const harmlessIntermediates = new Set(Buffer.from("()*+-./#"));
const longestSequence = 128;
const maxModes = 64;

/** Modes that are on when nobody has changed them: wrapping of lines, and the cursor. */
const onByDefault = new Set([7, 25]);

type State = "text" | "escape" | "sequence" | "private text" | "end of private text";

/** Sequences may be cut at any place. */
export class InteractiveText {
  #state: State = "text";
  #held: number[] = [];
  /** How many bytes of a character in UTF-8 are still to come. */
  #rest = 0;
  /** The private modes that differ from their default. */
  readonly #modes = new Set<number>();
  #hasStyle = false;
  #hasRegion = false;
  #hasKeypad = false;
  #hasOtherCharacters = false;

  push(bytes: Uint8Array): Buffer {
    const shown: number[] = [];
    for (const byte of bytes) this.#take(byte, shown);
    return Buffer.from(shown);
  }

  /** Puts the terminal back: what was left switched on is switched off. */
  end(): string {
    this.#state = "text";
    this.#held = [];
    const modes = [...this.#modes].map((mode) => `\u001b[?${mode}${onByDefault.has(mode) ? "h" : "l"}`);
    const parts = [
      ...(this.#hasRegion ? ["\u001b7\u001b[r\u001b8"] : []),
      ...(this.#hasKeypad ? ["\u001b>"] : []),
      ...(this.#hasOtherCharacters ? ["\u001b(B\u000f"] : []),
      ...modes,
      ...(this.#hasStyle ? ["\u001b[0m"] : []),
    ];
    this.#modes.clear();
    return parts.join("");
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
      if (byte === 0x0e) this.#hasOtherCharacters = true;
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
    const [, intermediate] = this.#held;
    this.#state = "text";
    if (intermediate === undefined || harmlessIntermediates.has(intermediate)) {
      shown.push(...this.#held, byte);
      if (intermediate === undefined && byte === 0x3d) this.#hasKeypad = true;
      if (intermediate !== undefined) this.#hasOtherCharacters = true;
    }
    this.#held = [];
  }

  #takeSequence(byte: number, shown: number[]): void {
    if (byte >= 0x20 && byte < 0x40) {
      // One that is longer is left out as a whole: what is held no longer counts, but its end must be found.
      if (this.#held.length <= longestSequence) this.#held.push(byte);
    } else if (byte >= 0x40 && byte < 0x7f) {
      this.#state = "text";
      if (this.#held.length <= longestSequence && !refusedEnds.has(byte)) {
        shown.push(...this.#held, byte);
        this.#remember(String.fromCharCode(...this.#held.slice(2)), byte);
      }
      this.#held = [];
    } else this.#breakOff(byte, shown);
  }

  /** A byte that has no place in a sequence ends it, and counts by itself. */
  #breakOff(byte: number, shown: number[]): void {
    this.#held = [];
    this.#state = "text";
    this.#takeText(byte, shown);
  }

  #remember(parameters: string, end: number): void {
    if (end === 0x6d) this.#hasStyle = true;
    if (end === 0x72) this.#hasRegion = true;
    const isOn = end === 0x68;
    if ((!isOn && end !== 0x6c) || !parameters.startsWith("?")) return;
    for (const text of parameters.slice(1).split(";")) {
      const mode = Number(text);
      if (!/^\d{1,5}$/.test(text)) continue;
      if (isOn === onByDefault.has(mode)) this.#modes.delete(mode);
      else if (this.#modes.size < maxModes) this.#modes.add(mode);
    }
  }
}
