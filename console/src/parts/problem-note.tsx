/** Says what went wrong, and what a person can do about it. */
import type { JSX } from "preact";
import type { Problem } from "../api/problem.js";
import { visibleText } from "../../../src/text/visible-text.js";
import { Icon } from "./icon.js";

interface Props {
  readonly problem: Problem;
  readonly onRetry?: (() => void) | undefined;
}

export function ProblemNote({ problem: { facts }, onRetry }: Props): JSX.Element {
  const { title, detail, action, code } = facts;
  return (
    <div class="note is-bad" role="alert">
      <Icon name="warning" />
      <div>
        <p class="note-title">{visibleText(detail === "" ? title : detail)}</p>
        {action !== undefined && action !== detail && <p>{visibleText(action)}</p>}
        <p class="note-code">{code}</p>
        {onRetry !== undefined && (
          <button type="button" class="button" onClick={onRetry}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}
