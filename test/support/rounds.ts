/**
 * How often a test repeats itself: `npm test` takes few rounds, `npm run stress -- --short`, which is a step of `.ci/run`,
 * as many as find what is rare, and `npm run stress -- --long` those for a night. `stress/run.mjs` finds the files that ask.
 */
const column = { "": 0, short: 1, long: 2 }[process.env["ISCEP_STRESS"] ?? ""] ?? 0;

export const isStress = column > 0;

export function rounds(few: number, short: number, long: number): number {
  return [few, short, long][column] ?? few;
}
