import type { JSX } from "preact";
import { BlankNote } from "../parts/blank-note.js";
import { Heading } from "../parts/heading.js";
import { pathOf } from "../state/route.js";

export function MissingView(): JSX.Element {
  return (
    <>
      <Heading title="Nothing is here" />
      <BlankNote icon="search" title="There is no page at this address">
        <p>
          Perhaps it was cut when it was copied. <a href={pathOf("commands")}>Look at the commands</a>, or at{" "}
          <a href={pathOf("runs")}>the runs</a>.
        </p>
      </BlankNote>
    </>
  );
}
