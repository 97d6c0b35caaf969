/** Makes values of options from their text. For an InvalidArgumentError, Commander puts the option's name in front. */
import { InvalidArgumentError } from "commander";
import { durationForm, parseDuration } from "../../text/duration.js";

/** Reads `500ms`, `30s`, `10m`, `2h`, `90d`. A plain number means seconds. */
export function durationMs(text: string): number {
  const value = parseDuration(/[0-9]$/.test(text) ? `${text}s` : text);
  if (value === undefined) throw new InvalidArgumentError(`It must be ${durationForm}; a plain number is seconds.`);
  return value;
}

/** Infinity means never, because commander treats null as a missing value. */
export function durationMsOrNever(text: string): number {
  return text === "never" ? Number.POSITIVE_INFINITY : durationMs(text);
}

/** Reads `2h` as two hours ago, or a date as ISO 8601 writes it. Gives Unix time in milliseconds. */
export function pastTimeMs(text: string): number {
  const agoMs = parseDuration(text);
  // ECMAScript takes a day alone as one of UTC, and a day with a time as one of this place, which people mean.
  const date = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text;
  const timeMs = agoMs !== undefined ? Date.now() - agoMs : /^\d{4}-\d\d-\d\d/.test(date) ? Date.parse(date) : NaN;
  if (Number.isNaN(timeMs))
    throw new InvalidArgumentError(
      "It must be a duration like 2h or 7d, or a date like 2026-11-28 or 2026-11-28T09:00.",
    );
  return Math.max(0, timeMs);
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

export function nonEmpty(text: string): string {
  if (text === "") throw new InvalidArgumentError("It must not be empty.");
  return text;
}

/** Gathers the values of an option that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), nonEmpty(text)];
}
