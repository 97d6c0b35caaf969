/** Times, durations and sizes as a person says them. */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `in 5 min`, `3 h ago`, `now`. Far times are a date. */
export function relativeTime(timeMs: number, nowMs: number): string {
  const differenceMs = timeMs - nowMs;
  const distanceMs = Math.abs(differenceMs);
  if (distanceMs < 5_000) return "now";
  if (distanceMs >= 7 * dayMs) return dateOf(timeMs);
  const text =
    distanceMs < minuteMs
      ? `${Math.round(distanceMs / 1000)} s`
      : distanceMs < hourMs
        ? `${Math.round(distanceMs / minuteMs)} min`
        : distanceMs < dayMs
          ? `${Math.round(distanceMs / hourMs)} h`
          : `${Math.round(distanceMs / dayMs)} d`;
  return differenceMs > 0 ? `in ${text}` : `${text} ago`;
}

const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const dateTimeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function dateOf(timeMs: number): string {
  return dateFormat.format(timeMs);
}

/** In the zone of the browser, or in another one. */
export function dateTimeOf(timeMs: number, timeZone?: string): string {
  if (timeZone === undefined || timeZone === "") return dateTimeFormat.format(timeMs);
  try {
    return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", timeZone }).format(timeMs);
  } catch {
    // The browser may not know a zone that the server knows.
    return dateTimeFormat.format(timeMs);
  }
}

/** `340 ms`, `4.2 s`, `10 s`, `3 min 5 s`, `2 h`. */
export function durationText(durationMs: number): string {
  const ms = Math.max(0, durationMs);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${Number((ms / 1000).toFixed(1))} s`;
  if (ms < hourMs) return both(Math.floor(ms / minuteMs), "min", Math.floor((ms % minuteMs) / 1000), "s");
  if (ms < dayMs) return both(Math.floor(ms / hourMs), "h", Math.floor((ms % hourMs) / minuteMs), "min");
  return both(Math.floor(ms / dayMs), "d", Math.floor((ms % dayMs) / hourMs), "h");
}

/** How long something is still good. */
export function remainingText(remainingMs: number): string {
  if (remainingMs < minuteMs) return remainingMs <= 0 ? "now" : "in less than a minute";
  return `in ${durationText(Math.floor(remainingMs / minuteMs) * minuteMs)}`;
}

function both(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return `${large} ${largeUnit}${small === 0 ? "" : ` ${small} ${smallUnit}`}`;
}

/** `512 B`, `1.4 KiB`, `64 MiB`. */
export function sizeText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${units[unit] ?? "B"}`;
}

export function countText(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
