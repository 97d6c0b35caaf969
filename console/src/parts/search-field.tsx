/** A field that narrows what is below it. The key / leads to it, and Escape empties it. */
import type { JSX } from "preact";
import { Icon } from "./icon.js";

interface Props {
  readonly label: string;
  readonly value: string;
  /** Said beside the field, such as the number of hits. */
  readonly note?: string;
  readonly onInput: (value: string) => void;
  onKeyDown?: (event: KeyboardEvent) => void;
}

export function SearchField({ label, value, note = "", onInput, onKeyDown }: Props): JSX.Element {
  return (
    <div class="search">
      <Icon name="search" />
      <input
        type="search"
        data-search
        aria-label={label}
        placeholder={label}
        value={value}
        spellcheck={false}
        autocomplete="off"
        onInput={(event) => onInput(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && value !== "") {
            event.preventDefault();
            onInput("");
          } else if (event.key === "Escape") event.currentTarget.blur();
          onKeyDown?.(event);
        }}
      />
      <span class="search-note" role="status">
        {note}
      </span>
    </div>
  );
}
