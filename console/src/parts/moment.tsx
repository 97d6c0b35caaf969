/** A time, told relative to now; the exact one is its title. */
import type { JSX } from "preact";
import { nowMs } from "../state/clock.js";
import { dateTimeOf, durationText, relativeTime } from "../words/time.js";

export function Moment({ timeMs }: { readonly timeMs: number | undefined }): JSX.Element {
  if (timeMs === undefined) return <span class="quiet">–</span>;
  return (
    <time dateTime={new Date(timeMs).toISOString()} title={dateTimeOf(timeMs)}>
      {relativeTime(timeMs, nowMs.value)}
    </time>
  );
}

/** How long a run took, or takes so far. */
export function Duration({
  fromMs,
  toMs,
}: {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}): JSX.Element {
  if (fromMs === undefined) return <span class="quiet">–</span>;
  const elapsedMs = (toMs ?? Math.max(fromMs, nowMs.value)) - fromMs;
  return <span class="digits">{toMs === undefined ? runningText(elapsedMs) : durationText(elapsedMs)}</span>;
}

/** While it goes on, full seconds are enough. */
function runningText(elapsedMs: number): string {
  return elapsedMs < 1_000 ? "0 s" : durationText(Math.floor(elapsedMs / 1_000) * 1_000);
}
