/** How many columns and rows of a terminal fit into the page. */
import type { TerminalSize } from "../output/terminal-screen.js";

/** The same as `--row` in output.css. */
export const rowHeight = 20;
/** The heading, and the bars above and below the terminal. On a phone they take more lines, and the areas stand below. */
const otherHeight = { wide: 250, narrow: 470 };
/** The same as in shell.css. */
const narrowest = 760;
/** A column on each side stays empty. */
const emptyColumns = 2;

/** Programs draw nothing useful on less, and nobody reads more. */
const bounds = { columns: [20, 400], rows: [8, 150] } as const;

export function withinBounds({ columns, rows }: TerminalSize): TerminalSize {
  const within = (value: number, [least, most]: readonly [number, number]): number =>
    Math.max(least, Math.min(most, Math.floor(value)));
  return { columns: within(columns, bounds.columns), rows: within(rows, bounds.rows) };
}

/**
 * It depends on the window alone, and is known before the page of the run is shown. A program that begins to draw for one
 * size and is told another mixes both.
 */
export function fittingSize(): TerminalSize {
  const rest = innerHeight - (innerWidth <= narrowest ? otherHeight.narrow : otherHeight.wide);
  return withinBounds({ columns: fittingColumns() - emptyColumns, rows: rest / rowHeight });
}

const rulerLength = 100;

/** Measures them in a box like that of a terminal, which nobody sees. */
function fittingColumns(): number {
  const page = document.querySelector("main");
  if (page === null) return 80 + emptyColumns;
  const probe = document.createElement("section");
  probe.className = "output is-terminal is-probe";
  const box = document.createElement("div");
  box.className = "output-box";
  const ruler = document.createElement("span");
  ruler.textContent = "0".repeat(rulerLength);
  box.append(ruler);
  probe.append(box);
  page.append(probe);
  const columns = (box.clientWidth / ruler.getBoundingClientRect().width) * rulerLength;
  probe.remove();
  return columns;
}
