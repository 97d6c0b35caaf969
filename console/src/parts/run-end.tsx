/** How a run ended, where there is more to say than its status: its error, or its value. */
import type { JSX } from "preact";
import type { RunRecord } from "../api/types.js";
import { isRecord } from "../forms/field.js";
import { visibleText } from "../../../src/text/visible-text.js";
import { Icon } from "./icon.js";

export function RunEnd({ record }: { readonly record: RunRecord }): JSX.Element | null {
  const { status, message, action, code, value } = record;
  if (status === "running") return null;
  const shown = valueText(value);
  return (
    <>
      {message !== undefined && status !== "completed" && (
        <div class={`note ${status === "cancelled" ? "" : "is-bad"}`}>
          <Icon name="warning" />
          <div>
            <p class="note-title">{visibleText(message)}</p>
            {action !== undefined && <p>{visibleText(action)}</p>}
            {code !== undefined && <p class="note-code">{code}</p>}
          </div>
        </div>
      )}
      {(record.isTruncated || record.isMasked) && (
        <p class="notice">
          {record.isTruncated && "The command printed more than it may; the rest was dropped. "}
          {record.isMasked && "A secret stood in the output, and was replaced by ***."}
        </p>
      )}
      {shown !== "" && (
        <details class="value" open={shown.length < 400}>
          <summary>Value</summary>
          <pre tabIndex={0}>{shown}</pre>
        </details>
      )}
    </>
  );
}

const maxShownCharacters = 20_000;

/** A script's usual value repeats its output and exit code, so it says nothing new. */
function valueText(value: unknown): string {
  if (value === undefined || value === null || (isRecord(value) && "stdout" in value && "exitCode" in value)) return "";
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return visibleText(
    text.length > maxShownCharacters
      ? `${text.slice(0, maxShownCharacters)}\n… cut after ${maxShownCharacters} characters`
      : text,
  );
}
