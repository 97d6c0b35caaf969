/** The control of one argument, by what it is. */
import type { JSX } from "preact";
import type { Entry } from "../forms/entry.js";
import type { Field } from "../forms/field.js";
import { visibleLine } from "../../../src/text/visible-text.js";
import { Icon } from "./icon.js";

interface Props {
  readonly field: Field;
  readonly id: string;
  readonly entry: Entry;
  /** The keys are places: `name` or `name[2]`. */
  readonly faults: ReadonlyMap<string, string>;
  readonly onChange: (entry: Entry) => void;
}

export function FieldInput({ field, id, entry, faults, onChange }: Props): JSX.Element {
  const described = describedBy(id, faults.has(field.name));
  if (typeof entry !== "string")
    return <ListInput field={field} id={id} entry={entry} faults={faults} onChange={onChange} />;
  return (
    <SingleInput
      field={field}
      id={id}
      value={entry}
      label={undefined}
      isFaulty={faults.has(field.name)}
      described={described}
      onChange={onChange}
    />
  );
}

export function describedBy(id: string, hasFault: boolean): string {
  return hasFault ? `${id}-note ${id}-fault` : `${id}-note`;
}

interface SingleProps {
  readonly field: Field;
  readonly id: string;
  readonly value: string;
  readonly label: string | undefined;
  readonly isFaulty: boolean;
  readonly described: string;
  readonly onChange: (value: string) => void;
}

function SingleInput({ field, id, value, label, isFaulty, described, onChange }: SingleProps): JSX.Element {
  const common = {
    id,
    "aria-label": label,
    "aria-invalid": isFaulty ? ("true" as const) : undefined,
    "aria-describedby": described,
    "aria-required":
      field.isRequired && field.kind !== "boolean" && !isFewChoices(field) ? ("true" as const) : undefined,
  };
  if (field.kind === "boolean") {
    const options = [
      ["true", "Yes"],
      ["false", "No"],
      ...(field.isRequired || field.fallback !== undefined ? [] : [["", "Not given"]]),
    ];
    return <Segments {...common} options={options} value={value} onChange={onChange} />;
  }
  if (isFewChoices(field)) {
    const options = [
      ...field.choices.map((choice) => [choice, visibleLine(choice)]),
      ...(field.isRequired || field.fallback !== undefined ? [] : [["", "Not given"]]),
    ];
    return <Segments {...common} options={options} value={value} onChange={onChange} />;
  }
  if (field.kind === "choice") {
    return (
      <select {...common} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">{field.isRequired ? "Choose…" : "Not given"}</option>
        {field.choices.map((choice) => (
          <option key={choice} value={choice}>
            {visibleLine(choice)}
          </option>
        ))}
      </select>
    );
  }
  if (field.kind === "json" || field.isLong) {
    return (
      <textarea
        {...common}
        class={field.kind === "json" ? "code" : undefined}
        rows={field.kind === "json" ? 4 : 3}
        spellcheck={false}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    );
  }
  const isNumber = field.kind === "integer" || field.kind === "number";
  return (
    <input
      {...common}
      {...(field.kind === "secret" ? { type: "password" as const } : { type: "text" as const })}
      inputMode={field.kind === "integer" ? "numeric" : isNumber ? "decimal" : undefined}
      class={isNumber ? "is-short" : field.kind === "path" ? "code" : undefined}
      autocomplete={field.kind === "secret" ? "new-password" : "off"}
      spellcheck={false}
      dir="auto"
      value={value}
      onInput={(event) => onChange(event.currentTarget.value)}
    />
  );
}

export function isFewChoices({ kind, choices }: Field): boolean {
  return kind === "choice" && choices.length <= 4 && choices.every((choice) => choice.length <= 16 && choice !== "");
}

interface SegmentsProps {
  readonly id: string;
  readonly options: readonly (readonly string[])[];
  readonly value: string;
  readonly "aria-label": string | undefined;
  readonly "aria-describedby": string;
  readonly "aria-invalid": "true" | undefined;
  readonly onChange: (value: string) => void;
}

function Segments({ id, options, value, onChange, ...aria }: SegmentsProps): JSX.Element {
  const { "aria-invalid": isInvalid, ...said } = aria;
  return (
    <div
      class="segments"
      role="radiogroup"
      id={id}
      aria-labelledby={said["aria-label"] === undefined ? `${id}-label` : undefined}
      {...said}
    >
      {options.map(([option = "", word]) => (
        <label key={option}>
          <input
            type="radio"
            class="unseen"
            name={id}
            value={option}
            checked={value === option}
            aria-invalid={isInvalid}
            onChange={() => onChange(option)}
          />
          <span>{word}</span>
        </label>
      ))}
    </div>
  );
}

interface ListProps extends Omit<Props, "entry"> {
  readonly entry: readonly string[];
}

function ListInput({ field, id, entry, faults, onChange }: ListProps): JSX.Element {
  const item = field.item ?? field;
  const focusLater = (index: number): void => {
    requestAnimationFrame(() => document.getElementById(`${id}-${index}`)?.focus());
  };
  const replace = (index: number, ...values: string[]): void => onChange(entry.toSpliced(index, 1, ...values));
  return (
    <div class="list" role="group" aria-labelledby={`${id}-label`} id={id} tabIndex={-1}>
      {entry.map((value, index) => {
        const place = `${field.name}[${index}]`;
        const fault = faults.get(place);
        return (
          <div key={index}>
            <div class="list-row">
              <SingleInput
                field={{ ...item, isRequired: true }}
                id={`${id}-${index}`}
                value={value}
                label={`${visibleLine(field.name)} ${index + 1}`}
                isFaulty={fault !== undefined}
                described={fault === undefined ? `${id}-note` : `${id}-${index}-fault`}
                onChange={(next) => replace(index, next)}
              />
              <button
                type="button"
                class="icon-button"
                title={`Remove ${visibleLine(field.name)} ${index + 1}`}
                onClick={() => {
                  replace(index);
                  focusLater(Math.max(0, index - 1));
                }}
              >
                <Icon name="close" />
                <span class="unseen">Remove {index + 1}</span>
              </button>
            </div>
            {fault !== undefined && (
              <p class="field-fault" id={`${id}-${index}-fault`}>
                {visibleLine(fault)}
              </p>
            )}
          </div>
        );
      })}
      <button
        type="button"
        class="button is-small"
        onClick={() => {
          onChange([...entry, item.kind === "boolean" ? "false" : ""]);
          focusLater(entry.length);
        }}
      >
        <Icon name="plus" />
        Add {entry.length === 0 ? "one" : "another"}
      </button>
    </div>
  );
}
