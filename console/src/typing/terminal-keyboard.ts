/**
 * Keys for the command of a run on a terminal. They come to a text field of the page, because input methods, phones and
 * pasting work only there; what the field gets as text is sent and taken out of it.
 */
import { signal } from "@preact/signals";
import type { TerminalScreen } from "../output/terminal-screen.js";
import { rowHeight } from "./fitting-size.js";
import { bytesOfKey, controlOf, isOfInputMethod, type KeyPress } from "./key-bytes.js";
import { pastedText } from "./pasted-text.js";

export interface KeyboardPage {
  /** Gets what is typed. */
  readonly type: (text: string) => void;
  /** Somebody begins to type. */
  readonly entered: () => void;
  /** Gives the focus to what follows the terminal. */
  readonly leave: () => void;
  /** Shows what stands above, or below with a positive count. */
  readonly scrollPages: (count: number) => void;
}

const isMac = /^(?:Mac|iP)/.test(navigator.platform);

export class TerminalKeyboard {
  readonly hasFocus = signal(false);
  readonly isComposing = signal(false);
  /** The next key is pressed with Ctrl. Phones have no such key, and browsers keep some of them for themselves. */
  readonly holdsControl = signal(false);
  field: HTMLTextAreaElement | null = null;
  readonly #screen: TerminalScreen;
  readonly #page: KeyboardPage;
  #wheelPixels = 0;

  constructor(screen: TerminalScreen, page: KeyboardPage) {
    this.#screen = screen;
    this.#page = page;
  }

  focus(): void {
    this.field?.focus({ preventScroll: true });
  }

  readonly focused = (): void => {
    this.hasFocus.value = true;
    this.#page.entered();
  };

  readonly blurred = (): void => {
    this.hasFocus.value = false;
  };

  /** A key that was pressed somewhere else for the command, such as a button of the page. */
  press(key: string): void {
    const control = this.holdsControl.value;
    this.holdsControl.value = false;
    const press = { key, ctrlKey: control, altKey: false, shiftKey: false, metaKey: false };
    this.#send(bytesOfKey(press, this.#options) ?? "");
  }

  readonly keyDown = (event: KeyboardEvent): void => {
    if (isOfInputMethod(event)) return;
    const isPlainShift = event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (isPlainShift && event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.#page.leave();
      return;
    }
    if (isPlainShift && (event.key === "PageUp" || event.key === "PageDown") && !this.#screen.isOther) {
      event.preventDefault();
      this.#page.scrollPages(event.key === "PageUp" ? -1 : 1);
      return;
    }
    const bytes = this.#bytesOf(event);
    if (bytes === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#send(bytes);
  };

  #bytesOf(event: KeyboardEvent): string | undefined {
    const { key, shiftKey, metaKey } = event;
    // The right Alt key makes characters on many keyboards, and Windows tells it as Ctrl and Alt.
    const isText = event.getModifierState("AltGraph");
    const isHeld = this.holdsControl.value && !/^(?:Control|Shift|Alt|Meta|CapsLock|Dead)$/.test(key);
    if (isHeld) this.holdsControl.value = false;
    if (isHeld && key.length === 1) return controlOf(key) ?? key;
    const press: KeyPress = {
      key,
      shiftKey,
      metaKey,
      ctrlKey: isHeld || (event.ctrlKey && !isText),
      altKey: event.altKey && !isText,
    };
    return bytesOfKey(press, this.#options);
  }

  get #options(): Parameters<typeof bytesOfKey>[1] {
    return { hasApplicationCursor: this.#screen.modes.applicationCursor, isAltText: isMac };
  }

  /** A pager or an editor scrolls by arrows, as in other terminals. What stands above the screen is not its text. */
  readonly wheel = (event: WheelEvent): void => {
    if (!this.#screen.isOther || event.ctrlKey) return;
    event.preventDefault();
    this.#wheelPixels += event.deltaY;
    const rows = Math.trunc(this.#wheelPixels / rowHeight);
    this.#wheelPixels -= rows * rowHeight;
    for (let left = Math.min(Math.abs(rows), this.#screen.size.rows); left > 0; left--)
      this.press(rows < 0 ? "ArrowUp" : "ArrowDown");
  };

  /** Keyboards of phones tell this key only so. */
  readonly beforeInput = (event: InputEvent): void => {
    if (event.inputType !== "deleteContentBackward" || this.isComposing.value) return;
    event.preventDefault();
    this.#send("\u007f");
  };

  readonly input = (): void => {
    if (!this.isComposing.value) this.#takeText();
  };

  readonly compositionStart = (): void => {
    this.isComposing.value = true;
  };

  readonly compositionEnd = (): void => {
    this.isComposing.value = false;
    this.#takeText();
  };

  readonly paste = (event: ClipboardEvent): void => {
    event.preventDefault();
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (text !== "") this.#send(pastedText(text, this.#screen.modes.bracketedPaste));
  };

  #takeText(): void {
    if (this.field === null) return;
    const text = this.field.value.replaceAll("\n", "\r");
    this.field.value = "";
    if (!this.holdsControl.value) this.#send(text);
    else if (text !== "") {
      this.holdsControl.value = false;
      this.#send((controlOf(text.charAt(0)) ?? text.charAt(0)) + text.slice(1));
    }
  }

  #send(text: string): void {
    if (text !== "") this.#page.type(text);
  }
}
