/** Below a terminal: how to leave it, whether what is typed arrives, and keys that a phone or the browser does not give. */
import type { JSX, Ref } from "preact";
import type { TypedInput } from "../state/typed-input.js";
import type { TerminalKeyboard } from "../typing/terminal-keyboard.js";
import { TypingNote } from "./typing-note.js";

const keys: readonly (readonly [key: string, sign: string, word?: string])[] = [
  ["Escape", "Esc"],
  ["Tab", "Tab"],
  ["ArrowLeft", "←", "Left"],
  ["ArrowUp", "↑", "Up"],
  ["ArrowDown", "↓", "Down"],
  ["ArrowRight", "→", "Right"],
];

interface Props {
  readonly keyboard: TerminalKeyboard;
  readonly input: TypedInput;
  /** The first control behind the terminal. */
  readonly exit: Ref<HTMLButtonElement>;
}

export function TerminalBar({ keyboard, input, exit }: Props): JSX.Element {
  const holdsControl = keyboard.holdsControl.value;
  /** A click leaves the focus in the terminal. By keys, it stays on the button. */
  const pressed = (event: MouseEvent, act: () => void): void => {
    act();
    if (event.detail > 0) keyboard.focus();
  };
  const keep = (event: Event): void => event.preventDefault();
  return (
    <div class="terminal-bar">
      <TypingNote input={input}>
        Keys go to the command while the terminal has the focus. <kbd>Shift</kbd> <kbd>Esc</kbd> leaves it.
      </TypingNote>
      <div class="terminal-keys" role="group" aria-label="Keys">
        <button
          ref={exit}
          type="button"
          class="button is-small"
          aria-pressed={holdsControl}
          title="The next key is pressed with Ctrl. It also sends what the browser keeps for itself, such as Ctrl+W and Ctrl+V."
          onMouseDown={keep}
          onClick={(event) => pressed(event, () => (keyboard.holdsControl.value = !holdsControl))}
        >
          Ctrl
        </button>
        {keys.map(([key, sign, word]) => (
          <button
            key={key}
            type="button"
            class="button is-small"
            aria-label={word}
            onMouseDown={keep}
            onClick={(event) => pressed(event, () => keyboard.press(key))}
          >
            {sign}
          </button>
        ))}
      </div>
    </div>
  );
}
