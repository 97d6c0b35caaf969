/** The form of a command: a field for each argument, or the arguments as JSON. */
import { useId, useState } from "preact/hooks";
import type { ComponentChildren, JSX } from "preact";
import { entriesOf, readEntries, readRawArguments, type Entries } from "../forms/entry.js";
import type { Field } from "../forms/field.js";
import { wantsOf } from "../forms/said.js";
import { announce } from "../state/announce.js";
import { visibleLine, visibleText } from "../../../src/text/visible-text.js";
import { describedBy, FieldInput } from "./field-input.js";
import { Icon } from "./icon.js";

type Arguments = Readonly<Record<string, unknown>>;

interface Props {
  readonly fields: readonly Field[];
  /** What to begin with; undefined: the defaults. */
  readonly args: Arguments | undefined;
  /** What the server said about single arguments, by their place. */
  readonly refusals: ReadonlyMap<string, string>;
  readonly isBusy: boolean;
  /** What stands between the arguments and the button. */
  readonly extra?: ComponentChildren;
  readonly submitWord: string;
  readonly onSubmit: (args: Arguments) => void;
}

export function ArgumentForm({ fields, args, refusals, isBusy, extra, submitWord, onSubmit }: Props): JSX.Element {
  const formId = useId();
  const [entries, setEntries] = useState<Entries>(() => entriesOf(fields, args));
  const [faults, setFaults] = useState<ReadonlyMap<string, string>>(new Map());
  const [raw, setRaw] = useState<string | undefined>(undefined);
  const [rawFault, setRawFault] = useState("");
  /** What was refused counts until the field changes. */
  const [changed, setChanged] = useState<ReadonlyMap<string, ReadonlyMap<string, string>>>(new Map());

  const idOf = (name: string): string => `${formId}-${fields.findIndex((field) => field.name === name)}`;
  const current = new Map([...refusals].filter(([place]) => changed.get(nameOf(place)) !== refusals));
  for (const [place, fault] of faults) current.set(place, fault);

  const submit = (event: Event): void => {
    event.preventDefault();
    if (isBusy) return;
    if (raw !== undefined) {
      const read = readRawArguments(raw);
      setRawFault(typeof read === "string" ? read : "");
      if (typeof read !== "string") onSubmit(read.args);
      return;
    }
    const { args: wanted, faults: found } = readEntries(fields, entries);
    setFaults(found);
    const [firstPlace] = found.keys();
    if (firstPlace === undefined) {
      onSubmit(wanted);
      return;
    }
    announce(`${found.size === 1 ? "One argument is" : `${found.size} arguments are`} not right yet.`);
    focusPlace(idOf(nameOf(firstPlace)), firstPlace);
  };

  const toggleRaw = (): void => {
    if (raw === undefined) {
      setRaw(JSON.stringify(readEntries(fields, entries).args, null, 2));
      setRawFault("");
      return;
    }
    const read = readRawArguments(raw);
    if (typeof read === "string") {
      setRawFault(read);
      return;
    }
    setEntries({ ...entriesOf(fields, read.args) });
    setRaw(undefined);
    setFaults(new Map());
  };

  return (
    <form
      class="form"
      noValidate
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
      }}
    >
      {raw === undefined ? (
        fields.map((field) => {
          const id = idOf(field.name);
          const fault = current.get(field.name);
          const change = (entry: Entries[string]): void => {
            setEntries((before) => ({ ...before, [field.name]: entry }));
            setFaults((before) => new Map([...before].filter(([place]) => nameOf(place) !== field.name)));
            setChanged((before) => new Map([...before, [field.name, refusals]]));
          };
          return (
            <div key={field.name} class={fault === undefined ? "field" : "field is-faulty"}>
              <FieldLabel field={field} id={id} />
              <FieldInput field={field} id={id} entry={entries[field.name] ?? ""} faults={current} onChange={change} />
              <p class="field-note" id={`${id}-note`}>
                <FieldNote field={field} />
              </p>
              {fault !== undefined && (
                <p class="field-fault" id={`${id}-fault`}>
                  {visibleLine(fault)}
                </p>
              )}
            </div>
          );
        })
      ) : (
        <div class={rawFault === "" ? "field" : "field is-faulty"}>
          <label for={`${formId}-raw`}>Arguments as JSON</label>
          <textarea
            id={`${formId}-raw`}
            class="code"
            rows={10}
            spellcheck={false}
            value={raw}
            aria-invalid={rawFault === "" ? undefined : "true"}
            aria-describedby={describedBy(`${formId}-raw`, rawFault !== "")}
            onInput={(event) => {
              setRaw(event.currentTarget.value);
              setRawFault("");
            }}
          />
          <p class="field-note" id={`${formId}-raw-note`}>
            One object with the arguments by their names. The server checks it.
          </p>
          {rawFault !== "" && (
            <p class="field-fault" id={`${formId}-raw-fault`} role="alert">
              {visibleText(rawFault)}
            </p>
          )}
          {[...refusals].map(([place, fault]) => (
            <p key={place} class="field-fault">
              {visibleLine(place)}: {visibleLine(fault)}
            </p>
          ))}
        </div>
      )}
      {fields.length === 0 && raw === undefined && <p class="quiet">This command takes no arguments.</p>}
      {extra}
      <div class="actions">
        <button type="submit" class="button is-main" disabled={isBusy}>
          <Icon name="play" />
          {isBusy ? "Starting…" : submitWord}
        </button>
        {fields.length > 0 && (
          <button type="button" class="link-button" aria-pressed={raw !== undefined} onClick={toggleRaw}>
            {raw === undefined ? "Write JSON" : "Back to the form"}
          </button>
        )}
      </div>
    </form>
  );
}

function FieldLabel({ field, id }: { readonly field: Field; readonly id: string }): JSX.Element {
  const words = (
    <>
      <span class="field-name">{visibleLine(field.name)}</span>
      {!field.isRequired && field.fallback === undefined && <span class="field-optional">optional</span>}
    </>
  );
  // A group of controls is named by its label; a single control belongs to it.
  const isGroup =
    field.kind === "list" || field.kind === "boolean" || (field.kind === "choice" && field.choices.length <= 4);
  if (isGroup) {
    return (
      <span class="label" id={`${id}-label`}>
        {words}
      </span>
    );
  }
  return (
    <label for={id} id={`${id}-label`}>
      {words}
    </label>
  );
}

function FieldNote({ field }: { readonly field: Field }): JSX.Element {
  const fallback = isShown(field) ? `default ${JSON.stringify(field.fallback)}` : "";
  const words = [field.description, ...wantsOf(field), fallback].filter((word) => word !== "");
  return <>{visibleLine(words.join(" · "))}</>;
}

/** Where a few choices are shown, the default is the one that is chosen. */
function isShown({ fallback, kind }: Field): boolean {
  return fallback !== undefined && fallback !== "" && kind !== "boolean" && kind !== "choice";
}

function nameOf(place: string): string {
  return place.replace(/[[.].*$/s, "");
}

function focusPlace(id: string, place: string): void {
  requestAnimationFrame(() => {
    const index = /\[(\d+)\]/.exec(place)?.[1];
    const element = document.getElementById(index === undefined ? id : `${id}-${index}`);
    const target = element?.matches("[role=radiogroup]") === true ? element.querySelector("input") : element;
    if (target instanceof HTMLElement) target.focus();
  });
}
