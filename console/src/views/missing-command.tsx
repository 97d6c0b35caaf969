import type { JSX } from "preact";
import { BlankNote } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { pathOf } from "../state/route.js";
import { visibleLine } from "../../../src/text/visible-text.js";

export function MissingCommand({
  name,
  known,
}: {
  readonly name: string;
  readonly known: readonly string[];
}): JSX.Element {
  return (
    <>
      <Heading title={visibleLine(name)} />
      <BlankNote icon="commands" title="There is no such command, or this token may not run it">
        <p>
          {known.length === 0 ? "This token may run no command at all. " : ""}
          <a href={pathOf("commands")}>All commands</a> · <a href={pathOf("access")}>What this token may do</a>
        </p>
      </BlankNote>
    </>
  );
}
