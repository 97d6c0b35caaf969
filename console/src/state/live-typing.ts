/** Typing to one run: what is typed, and the size of its terminal. */
import { signal } from "@preact/signals";
import { fetchRun } from "../api/calls.js";
import { pauseMs } from "../api/pauses.js";
import { toProblem } from "../api/problem.js";
import { randomName } from "../api/random-name.js";
import { postTyped, putTerminalSize } from "../api/typing.js";
import type { TerminalScreen, TerminalSize } from "../output/terminal-screen.js";
import { untilOnlineOr } from "./online-pause.js";
import { rememberSize } from "./terminal-sizes.js";
import { TypedInput } from "./typed-input.js";

export class LiveTyping {
  readonly input: TypedInput;
  /** undefined: the command reads lines, and has no terminal. */
  readonly terminal: TerminalScreen | undefined;
  readonly size = signal<TerminalSize | undefined>(undefined);
  readonly #run: string;
  readonly #stop = new AbortController();
  #wanted: TerminalSize | undefined;
  #isTelling = false;

  constructor(run: string, terminal: TerminalScreen | undefined) {
    this.#run = run;
    this.terminal = terminal;
    this.size.value = terminal?.size;
    const writer = randomName();
    this.input = new TypedInput({
      post: (piece) => postTyped(run, writer, piece),
      fetchIsOpen: async () => (await fetchRun(run)).isInputOpen,
      pause: untilOnlineOr,
    });
  }

  /**
   * Tells the size to the program, which draws again when it wants to. It is told again when somebody begins to type here,
   * as another page of the same owner may have told its own one meanwhile. The size that the program has changes nothing.
   */
  resize(size: TerminalSize): void {
    if (this.terminal === undefined) return;
    this.#wanted = size;
    void this.#tell(this.terminal);
  }

  close(): void {
    this.#stop.abort();
    this.input.close();
  }

  /** One request at a time, so that the last size is the one that stays. */
  async #tell(terminal: TerminalScreen): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let attempt = 0; this.#wanted !== undefined && !this.#stop.signal.aborted; attempt++) {
      const size = this.#wanted;
      try {
        await putTerminalSize(this.#run, size);
        // What comes from now on was most likely drawn for it.
        terminal.resize(size);
        this.size.value = size;
        rememberSize(this.#run, size);
      } catch (error) {
        const problem = toProblem(error);
        // A run that is over has no size. What the server refuses, it refuses again.
        if (problem.isUnreachable || problem.facts.status === 503) {
          await untilOnlineOr(pauseMs(attempt, Math.random()), this.#stop.signal);
          continue;
        }
      }
      if (this.#wanted === size) this.#wanted = undefined;
    }
    this.#isTelling = false;
  }
}
