/** What a command reads on its standard input: nothing, a text, a file of this machine, or what is typed while it runs. */
import { useId, useState } from "preact/hooks";
import type { JSX } from "preact";

type Kind = "nothing" | "text" | "file" | "typed";

const kinds: readonly (readonly [kind: Kind, word: string])[] = [
  ["nothing", "Nothing"],
  ["text", "Text"],
  ["file", "A file"],
  ["typed", "Type while it runs"],
];

interface Props {
  /** undefined: the command gets no input. */
  readonly onChange: (input: Blob | "typed" | undefined) => void;
}

export function StandardInput({ onChange }: Props): JSX.Element {
  const id = useId();
  const [kind, setKind] = useState<Kind>("nothing");
  return (
    <div class="field">
      <span class="label" id={`${id}-label`}>
        Standard input
      </span>
      <div class="segments" role="radiogroup" aria-labelledby={`${id}-label`}>
        {kinds.map(([each, word]) => (
          <label key={each}>
            <input
              type="radio"
              class="unseen"
              name={id}
              checked={kind === each}
              onChange={() => {
                setKind(each);
                onChange(each === "typed" ? each : undefined);
              }}
            />
            <span>{word}</span>
          </label>
        ))}
      </div>
      {kind === "text" && (
        <textarea
          class="code"
          rows={5}
          spellcheck={false}
          aria-label="Text for standard input"
          onInput={(event) => onChange(new Blob([event.currentTarget.value]))}
        />
      )}
      {kind === "file" && (
        <input
          type="file"
          aria-label="File for standard input"
          onChange={(event) => onChange(event.currentTarget.files?.[0])}
        />
      )}
      <p class="field-note">
        {kind === "typed" ? "A field for it stands below the output." : "The command reads it while it is sent."}
      </p>
    </div>
  );
}
