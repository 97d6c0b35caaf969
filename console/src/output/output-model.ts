/** The output of one run as lines: both channels write to one screen, as they do on a terminal. */
import { Channel } from "./channel.js";
import type { Line } from "./line.js";
import type { StoreLimits } from "./line-store.js";
import { Screen } from "./screen.js";
import { errorChannel, plain } from "./style.js";

export type ChannelName = "stdout" | "stderr";

export class OutputModel {
  readonly #screen: Screen;
  readonly #channels: Readonly<Record<ChannelName, Channel>>;

  constructor(limits?: StoreLimits & { readonly heightLines?: number }) {
    this.#screen = new Screen(limits);
    this.#channels = {
      stdout: new Channel(this.#screen, plain),
      stderr: new Channel(this.#screen, errorChannel),
    };
  }

  push(channel: ChannelName, bytes: Uint8Array): void {
    this.#channels[channel].push(bytes);
  }

  end(): void {
    this.#channels.stdout.end();
    this.#channels.stderr.end();
  }

  /** The number of the first line that is still kept, from 0. */
  get first(): number {
    return this.#screen.first;
  }

  /** The number after that of the last line. */
  get lineEnd(): number {
    return this.#screen.end;
  }

  /** Lines before this one change no more. */
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
