/** Draws how far a run is, as its command tells it: a share, and the present step. */
import { canShowStatus, showStatus } from "./status-line.js";
import { styled } from "./streams.js";
import { surroundings } from "./surroundings.js";
import { visibleLine } from "../../text/visible-text.js";

// A command may report progress for each of a million rows. A terminal need not show all of them.
const drawIntervalMs = 50;
const mostCells = 30;
const percentColumns = "100%".length;

export class ProgressBar {
  #fraction = 0;
  #message = "";
  #drawnMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  update(fraction: number, message: string | undefined): void {
    if (!canShowStatus()) return;
    this.#fraction = fraction;
    this.#message = message === undefined ? this.#message : visibleLine(message);
    const waitMs = this.#drawnMs + drawIntervalMs - performance.now();
    if (waitMs <= 0) this.#draw();
    else this.#timer ??= setTimeout(() => this.#draw(), waitMs).unref();
  }

  /** The position in the queue, from 1; 0 when the wait is over. */
  wait(position: number): void {
    const text = `waiting for its turn; place ${position} in the queue`;
    showStatus(position === 0 ? undefined : (columns) => cutToColumns(text, columns));
  }

  end(): void {
    clearTimeout(this.#timer);
    showStatus(undefined);
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#drawnMs = performance.now();
    showStatus((columns) => progressLine(this.#fraction, this.#message, columns));
  }
}

/** The line is at most `columns` wide. If it is too long, first the message is left out, then the bar. */
export function progressLine(fraction: number, message: string, columns: number): string {
  const percent = `${Math.floor(fraction * 100)}%`.padStart(percentColumns);
  // The bar needs two brackets and a space in front.
  const cells = Math.min(mostCells, Math.floor(columns / 2), columns - percentColumns - 3);
  if (cells < 5) return percent.slice(0, Math.max(0, columns));
  const filled = Math.round(fraction * cells);
  const bar = styled(surroundings().stderr, "cyan", "=".repeat(filled)) + " ".repeat(cells - filled);
  const text = cutToColumns(message, columns - percentColumns - cells - 4);
  return `${percent} [${bar}]${text === "" ? "" : ` ${text}`}`;
}

/** A character beyond ASCII may take two columns. All of them are counted as two, so that a line never wraps. */
function cutToColumns(text: string, columns: number): string {
  let width = 0;
  const characters: string[] = [];
  for (const character of text) {
    width += character.length === 1 && character <= "~" ? 1 : 2;
    if (width > columns) return characters.length === 0 ? "" : `${characters.slice(0, -1).join("")}…`;
    characters.push(character);
  }
  return text;
}
