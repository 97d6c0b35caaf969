/** Where the lines of a chart's axes stand. */

/** Round steps from 0 to at least the value, at most five of them. */
export function countSteps(most: number): readonly number[] {
  const least = Math.max(1, most / 4);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = Math.max(1, [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= least) ?? least);
  return Array.from({ length: Math.ceil(Math.max(most, 1) / step) + 1 }, (_, index) => index * step);
}

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** About six times of a span, at full hours or at midnights, with their words. */
export function timeSteps(
  fromMs: number,
  toMs: number,
): readonly { readonly timeMs: number; readonly words: string }[] {
  const isShort = toMs - fromMs <= 2 * dayMs;
  const stepMs = isShort ? 4 * hourMs : Math.max(1, Math.round((toMs - fromMs) / dayMs / 6)) * dayMs;
  const start = new Date(fromMs);
  start.setHours(0, 0, 0, 0);
  const steps: { timeMs: number; words: string }[] = [];
  for (let timeMs = start.getTime(); timeMs <= toMs; timeMs += stepMs) {
    if (timeMs > fromMs) steps.push({ timeMs, words: (isShort ? timeFormat : dayFormat).format(timeMs) });
  }
  return steps;
}
