/** One line of output. Its text is only ever text. */
import { Component, type JSX } from "preact";
import { segmentsOf, type Line, type Segment } from "../output/line.js";
import { placesOf } from "../output/line-search.js";
import { classesOf } from "../output/style.js";

interface Props {
  readonly number: number;
  readonly line: Line;
  /** It does not change any more, so it is drawn only once. */
  readonly isSettled: boolean;
  readonly query: string;
  readonly isMarked: boolean;
  readonly isCurrentHit: boolean;
}

export class OutputLine extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    const { isSettled, query, isMarked, isCurrentHit } = this.props;
    const isSame =
      isSettled && query === next.query && isMarked === next.isMarked && isCurrentHit === next.isCurrentHit;
    return !isSame;
  }

  override render({ number, line, query, isMarked, isCurrentHit }: Props): JSX.Element {
    const names = ["line", isMarked ? "is-marked" : "", isCurrentHit ? "is-hit" : ""].filter((name) => name !== "");
    return (
      <div class={names.join(" ")} data-line={number}>
        <a
          class="line-number"
          href={`#L${number + 1}`}
          tabIndex={-1}
          aria-label={`Link to line ${number + 1}`}
          data-number={number + 1}
        />
        <span class="line-text">{query === "" ? plainParts(line) : markedParts(line, query)}</span>
      </div>
    );
  }
}

function plainParts(line: Line): (JSX.Element | string)[] | string {
  if (line.runs.length === 0) return line.text;
  return segmentsOf(line).map((segment, index) => part(segment, index));
}

function part({ text, style }: Segment, key: number): JSX.Element | string {
  const classes = classesOf(style);
  if (classes === "") return text;
  return (
    <span key={key} class={classes}>
      {text}
    </span>
  );
}

/** The places of the query cut the segments once more. */
function markedParts(line: Line, query: string): (JSX.Element | string)[] {
  const places = placesOf(line.text, query);
  const parts: (JSX.Element | string)[] = [];
  let offset = 0;
  for (const { text, style } of segmentsOf(line)) {
    let at = 0;
    for (const [start, end] of places) {
      const from = Math.max(start - offset, at);
      const to = Math.min(end - offset, text.length);
      if (to <= from) continue;
      if (from > at) parts.push(part({ text: text.slice(at, from), style }, parts.length));
      parts.push(
        <mark key={parts.length} class={classesOf(style)}>
          {text.slice(from, to)}
        </mark>,
      );
      at = to;
    }
    if (at < text.length) parts.push(part({ text: text.slice(at), style }, parts.length));
    offset += text.length;
  }
  return parts;
}
