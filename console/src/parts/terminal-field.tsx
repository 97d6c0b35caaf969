/** The cursor of a terminal, and the text field without looks that takes the keys there. */
import type { JSX } from "preact";
import { rowHeight } from "../typing/fitting-size.js";
import type { TerminalKeyboard } from "../typing/terminal-keyboard.js";

interface Props {
  readonly keyboard: TerminalKeyboard;
  /** The row is that among all rows that can be scrolled to. */
  readonly row: number;
  readonly column: number;
  readonly isCursorSeen: boolean;
  readonly label: string;
}

export function TerminalField({ keyboard, row, column, isCursorSeen, label }: Props): JSX.Element {
  const place = { top: `${row * rowHeight}px`, left: `${column + 1}ch` };
  const isComposing = keyboard.isComposing.value;
  return (
    <>
      {isCursorSeen && (
        <span class={keyboard.hasFocus.value ? "terminal-cursor is-on" : "terminal-cursor"} style={place} />
      )}
      <textarea
        ref={(element) => {
          keyboard.field = element;
          // As a property it would be a boolean in some browsers and text in others.
          element?.setAttribute("autocorrect", "off");
        }}
        class={isComposing ? "terminal-field is-composing" : "terminal-field"}
        style={place}
        rows={1}
        aria-label={label}
        autocomplete="off"
        autocapitalize="off"
        spellcheck={false}
        onFocus={keyboard.focused}
        onBlur={keyboard.blurred}
        onKeyDown={keyboard.keyDown}
        onBeforeInput={keyboard.beforeInput}
        onInput={keyboard.input}
        onCompositionStart={keyboard.compositionStart}
        onCompositionEnd={keyboard.compositionEnd}
        onPaste={keyboard.paste}
      />
    </>
  );
}
