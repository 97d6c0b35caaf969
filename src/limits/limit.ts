/** What a limit consists of, and the units that limits are written in. */

export const forever = 2 ** 31 - 1; // the longest delay that Node's timers take
export const KiB = 1024;
export const MiB = 1024 * KiB;

export interface Limit {
  readonly default: number;
  /** The smallest value that may be configured. Default: 0. */
  readonly min?: number;
  /** The largest value that may be configured. */
  readonly max: number;
  /** What the limit bounds, and why where that is not plain; the tables in the documents show it. */
  readonly reason: string;
}
