const unitBytes: Readonly<Record<string, number>> = { B: 1, KiB: 1_024, MiB: 1_024 ** 2, GiB: 1_024 ** 3 };

/** The form that `parseSize` reads; 0 has it too. */
export const sizeExpression = /^([0-9]{1,15}(?:\.[0-9]{1,9})?)(B|KiB|MiB|GiB)$/;

/** What a message says about a size that cannot be read. */
export const sizeForm = "a number above 0 and a unit, like 64KiB, 4MiB or 1GiB";

/** Reads `4MiB` as bytes, a whole number above 0. undefined for anything else; the unit is required. */
export function parseSize(text: string): number | undefined {
  const [, amount = "", unit = ""] = sizeExpression.exec(text) ?? [];
  const value = Math.round(Number(amount) * (unitBytes[unit] ?? Number.NaN));
  return value > 0 && Number.isSafeInteger(value) ? value : undefined;
}
