/** Whether what is typed arrives. */
import type { ComponentChildren, JSX } from "preact";
import { visibleText } from "../../../src/text/visible-text.js";
import type { TypedInput } from "../state/typed-input.js";
import { countText } from "../words/time.js";

interface Props {
  readonly input: TypedInput;
  /** What stands there as long as all is well. */
  readonly children: ComponentChildren;
}

export function TypingNote({ input, children }: Props): JSX.Element {
  const words = wordsOf(input);
  return (
    <p class={words === "" ? "typing-note" : "typing-note is-warning"} role="status">
      {words === "" ? children : words}
    </p>
  );
}

function wordsOf({ state, waitingBytes }: TypedInput): string {
  const waiting = countText(waitingBytes.value, "byte");
  switch (state.value.kind) {
    case "open":
      return "";
    case "unreachable":
      return `What you typed does not arrive. ${waiting} wait, and are sent as soon as the server answers.`;
    case "unread":
      return `The command does not read. ${waiting} wait until it does.`;
    case "ended":
      return "The command gets no more input.";
    case "refused": {
      const { detail, action } = state.value.problem.facts;
      return visibleText(`What you typed last does not arrive: ${detail.replace(/\.$/, "")}. ${action ?? ""}`.trim());
    }
    default:
      return state.value satisfies never;
  }
}
