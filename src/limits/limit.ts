/** Of what each limit consists, and the units that they are written in. */

export const forever = 2 ** 31 - 1; // the longest delay that Node's timers take
export const KiB = 1024;
export const MiB = 1024 * KiB;

export interface Limit {
  readonly default: number;
  /** The smallest value that may be configured; 0 where it is not said. */
  readonly min?: number;
  /** The largest value that may be configured. */
  readonly max: number;
  readonly reason: string;
}
