const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The form that `parseDuration` reads; 0 has it too. */
export const durationExpression = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)$/;

/** What a message says about a duration that cannot be read. */
export const durationForm = "a number above 0 and a unit, like 500ms, 30s, 10m, 2h or 1d";

/**
 * Reads `500ms`, `30s`, `1.5h` as milliseconds, a whole number above 0. undefined for anything else; the unit is
 * required.
 */
export function parseDuration(text: string): number | undefined {
  const [, amount = "", unit = ""] = durationExpression.exec(text) ?? [];
  const value = Math.round(Number(amount) * (unitsMs[unit] ?? Number.NaN));
  return value > 0 && Number.isSafeInteger(value) ? value : undefined;
}
