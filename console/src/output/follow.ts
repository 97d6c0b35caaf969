/** Which rows of a long list are to be drawn, and whether it follows its end. Pure numbers, so that tests can try them all. */

export interface Viewport {
  readonly scrollTop: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly rowCount: number;
}

/** So many more rows are drawn above and below, so that fast scrolling shows no gaps. */
const overscanRows = 24;

/** The rows to draw, `end` not among them. */
export function visibleRows({ scrollTop, height, rowHeight, rowCount }: Viewport): {
  readonly start: number;
  readonly end: number;
} {
  const first = Math.floor(scrollTop / rowHeight);
  // The start is even, so that rows keep their stripes and their elements while scrolling.
  const start = Math.max(0, Math.min(rowCount, first - overscanRows)) & ~7;
  const end = Math.min(rowCount, first + Math.ceil(height / rowHeight) + overscanRows);
  return { start, end: Math.max(start, end) };
}

/** True when the last row can be seen: a few pixels more or less are no wish to look elsewhere. */
export function isAtEnd({ scrollTop, height, rowHeight, rowCount }: Viewport): boolean {
  return scrollTop + height >= rowCount * rowHeight - rowHeight;
}

/** `#L12` or `#L12-L20`, from 0, both inclusive. */
export function readLineHash(hash: string): { readonly from: number; readonly to: number } | undefined {
  const [, from, to] = /^L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(hash) ?? [];
  if (from === undefined || Number(from) === 0) return undefined;
  const first = Number(from) - 1;
  const last = to === undefined ? first : Number(to) - 1;
  return { from: Math.min(first, last), to: Math.max(first, last) };
}

export function lineHash(from: number, to = from): string {
  const [first, last] = [Math.min(from, to) + 1, Math.max(from, to) + 1];
  return first === last ? `L${first}` : `L${first}-L${last}`;
}
