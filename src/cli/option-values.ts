/** Values of options, from text. Commander reports an InvalidArgumentError with the option's name in front. */
import { InvalidArgumentError } from "commander";

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, "": 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `500ms`, `30s`, `10m`, `2h`, `90d`; a plain number is seconds. */
export function durationMs(text: string): number {
  const [, amount = "", unit = ""] = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|)$/.exec(text) ?? [];
  const value = Math.round(Number(amount) * (unitsMs[unit] ?? Number.NaN));
  if (amount === "" || !(value > 0)) {
    throw new InvalidArgumentError("It must be a duration above 0, like 500ms, 30s, 10m, 2h or 90d; a plain number is seconds.");
  }
  return value;
}

/** Infinity for never: commander takes a null for a value that is missing. */
export function durationMsOrNever(text: string): number {
  return text === "never" ? Number.POSITIVE_INFINITY : durationMs(text);
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

/** For options that may be given several times. */
export function collect(text: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), nonEmpty(text)];
}
