/** How a run stands, by a word, a shape and a colour. */
import type { JSX } from "preact";
import type { RunStatus } from "../api/types.js";

export const statusWords: Readonly<Record<RunStatus, string>> = {
  running: "Running",
  completed: "Completed",
  failed: "Failed",
  killed: "Killed",
  timeout: "Timed out",
  cancelled: "Cancelled",
  rejected: "Refused",
  lost: "Lost",
};

const shapes: Readonly<Record<RunStatus, string>> = {
  running: "M8 3a5 5 0 015 5",
  completed: "M4 8.5l3 3 5-6",
  failed: "M5 5l6 6M11 5l-6 6",
  killed: "M8 3l-2 5h4l-2 5",
  timeout: "M8 4v4l2.5 2",
  cancelled: "M4.5 8h7",
  rejected: "M4.5 4.5l7 7",
  lost: "M6 6a2 2 0 113 1.7c-.7.4-1 .8-1 1.6M8 12v.2",
};

export function Status({ status, label }: { readonly status: RunStatus; readonly label?: string }): JSX.Element {
  return (
    <span class={`status is-${status}`}>
      <svg viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <circle cx="8" cy="8" r="7" />
        <path d={shapes[status]} />
      </svg>
      {label ?? statusWords[status]}
    </span>
  );
}
