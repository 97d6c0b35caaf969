import type { TerminalShape } from "../../commands/script/terminal.js";

/** The terminal of a run's caller, whose size may change while the run goes on. */
export class RunTerminal {
  #shape: TerminalShape;
  #resized: ((shape: TerminalShape) => void) | undefined;

  constructor(shape: TerminalShape) {
    this.#shape = shape;
  }

  get shape(): TerminalShape {
    return this.#shape;
  }

  resize(rows: number, columns: number): void {
    if (rows === this.#shape.rows && columns === this.#shape.columns) return;
    this.#shape = { ...this.#shape, rows, columns };
    this.#resized?.(this.#shape);
  }

  /** The one listener, which is the script that has the terminal. */
  onResized(listener: ((shape: TerminalShape) => void) | undefined): void {
    this.#resized = listener;
  }
}
