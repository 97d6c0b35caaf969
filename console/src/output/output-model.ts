/** The output of one run as lines: both channels write to one screen, as they do on a terminal. */
import { Channel } from "./channel.js";
import type { Line } from "./line.js";
import type { StoreLimits } from "./line-store.js";
import { Screen } from "./screen.js";
import { errorChannel, plain } from "./style.js";
import { TerminalReader } from "./terminal-reader.js";
import { TerminalScreen, type TerminalSize } from "./terminal-screen.js";

export type ChannelName = "stdout" | "stderr";

interface Reader {
  push(bytes: Uint8Array): void;
  /** No more will come. */
  end(): void;
}

export class OutputModel {
  #screen: Screen | TerminalScreen;
  #readers: Readonly<Record<ChannelName, Reader>>;

  constructor(limits?: StoreLimits & { readonly heightLines?: number }) {
    const screen = new Screen(limits);
    this.#screen = screen;
    this.#readers = { stdout: new Channel(screen, plain), stderr: new Channel(screen, errorChannel) };
  }

  /**
   * From now on it is drawn on a terminal of this size. That can be said before the first output only.
   * @param answer as TerminalReader has it
   */
  becomeTerminal(size: TerminalSize, answer: (text: string) => void = () => undefined): void {
    const screen = new TerminalScreen(size);
    const reader = new TerminalReader(screen, answer);
    this.#screen = screen;
    this.#readers = { stdout: reader, stderr: reader };
  }

  /** undefined: this is no terminal of a known size. */
  get terminal(): TerminalScreen | undefined {
    return this.#screen instanceof TerminalScreen ? this.#screen : undefined;
  }

  push(channel: ChannelName, bytes: Uint8Array): void {
    this.#readers[channel].push(bytes);
  }

  end(): void {
    for (const reader of new Set(Object.values(this.#readers))) reader.end();
    this.terminal?.finish();
  }

  /** The number of the first line that is still kept, from 0. */
  get first(): number {
    return this.#screen.first;
  }

  /** The number after that of the last line. */
  get lineEnd(): number {
    return this.#screen.end;
  }

  /** Lines before this one do not change any more. */
  get settled(): number {
    return this.#screen.settled;
  }

  get keptBytes(): number {
    return this.#screen.store.bytes;
  }

  line(number: number): Line | undefined {
    return this.#screen.line(number);
  }

  /** Settled lines around this one, decoded at once, for who reads them all. */
  textsAt(number: number): { readonly first: number; readonly texts: readonly string[] } | undefined {
    return this.#screen.store.textsAt(number);
  }

  /** The text of the lines, `to` not among them, each with its line end. */
  *textOf(from: number, to: number): Generator<string> {
    for (let number = Math.max(from, this.first); number < Math.min(to, this.lineEnd);) {
      const chunk = number < this.settled ? this.textsAt(number) : undefined;
      if (chunk === undefined) {
        yield `${this.line(number)?.text ?? ""}\n`;
        number++;
      } else {
        const texts = chunk.texts.slice(number - chunk.first, Math.max(0, to - chunk.first));
        yield texts.map((text) => `${text}\n`).join("");
        number += texts.length;
      }
    }
  }
}
