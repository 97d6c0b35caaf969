/** Types lines to a command that reads its standard input and has no terminal. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { JSX } from "preact";
import { announce } from "../state/announce.js";
import type { TypedInput } from "../state/typed-input.js";
import { isOfInputMethod } from "../typing/key-bytes.js";
import { TypingNote } from "./typing-note.js";

interface Props {
  readonly input: TypedInput;
  /** Somebody started the run just now, and wants to type. */
  readonly takesFocus: boolean;
}

export function LineField({ input, takesFocus }: Props): JSX.Element {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isHidden, setHidden] = useState(false);
  const { kind } = input.state.value;
  const isOver = kind === "ended" || kind === "refused";

  useEffect(() => {
    // As a property it would be a boolean in some browsers and text in others.
    field.current?.setAttribute("autocorrect", "off");
    if (takesFocus) field.current?.focus();
  }, []);

  const send = (text: string): boolean => {
    const isTaken = input.type(text);
    if (!isTaken) announce("That is too much to type. Give it to the command as a file.");
    return isTaken;
  };

  /** As in a terminal, whole lines go at once, and the rest can still be changed. */
  const pasted = (event: ClipboardEvent): void => {
    const element = field.current;
    const text = (event.clipboardData?.getData("text/plain") ?? "").replaceAll(/\r\n?/g, "\n");
    if (element === null || !text.includes("\n")) return;
    event.preventDefault();
    const { value, selectionStart, selectionEnd } = element;
    const all = value.slice(0, selectionStart ?? value.length) + text + value.slice(selectionEnd ?? value.length);
    const rest = all.lastIndexOf("\n") + 1;
    if (send(all.slice(0, rest))) element.value = all.slice(rest);
  };

  return (
    <form
      class="line-field"
      aria-label="Type to the command"
      onSubmit={(event) => {
        event.preventDefault();
        const element = field.current;
        if (element !== null && send(`${element.value}\n`)) element.value = "";
      }}
    >
      {!isOver && (
        <>
          <label for={id}>Standard input</label>
          <div class="line-field-row">
            <input
              ref={field}
              id={id}
              class="code"
              {...(isHidden ? { type: "password" as const } : { type: "text" as const })}
              autocomplete={isHidden ? "new-password" : "off"}
              autocapitalize="off"
              spellcheck={false}
              aria-describedby={`${id}-note`}
              onFocus={() => void input.check()}
              onKeyDown={(event) => {
                // It confirms a word. Safari would send the line.
                if (event.key === "Enter" && isOfInputMethod(event)) event.preventDefault();
              }}
              onPaste={pasted}
            />
            <button type="submit" class="button is-main">
              Send
            </button>
            <button type="button" class="button" onClick={() => input.end()}>
              End of input
            </button>
          </div>
          <label class="line-field-hide">
            <input type="checkbox" checked={isHidden} onChange={(event) => setHidden(event.currentTarget.checked)} />
            Hide what I type
          </label>
        </>
      )}
      <div id={`${id}-note`}>
        <TypingNote input={input}>Enter sends the line. What you send does not stand in the output.</TypingNote>
      </div>
    </form>
  );
}
