/** Writes the output of a run to the same streams here: unchanged into pipes and files, made harmless on a terminal. */
import type { OutputChunk } from "../../client/protocol/run-output.js";
import { TerminalText } from "../../text/terminal-text.js";
import { terminalStyle } from "../terminal/status-line.js";
import { showsColour, write } from "../terminal/streams.js";
import { surroundings, type Output } from "../terminal/surroundings.js";

type Channel = OutputChunk["channel"];

/** Takes the chunks of a run that is followed. */
export interface OutputTarget {
  /** Resolves when the next chunk may come. */
  take(chunk: Pick<OutputChunk, "channel" | "bytes">): Promise<void>;
  /** No more will come. */
  end(): Promise<void>;
  /** How many bytes of a channel came. */
  bytesOf(channel: Channel): number;
}

export class LiveOutput implements OutputTarget {
  readonly #outlets: Readonly<Record<Channel, Outlet>>;

  constructor(options: { readonly raw?: boolean }) {
    const { stdout, stderr } = surroundings();
    this.#outlets = {
      stdout: new Outlet(stdout, options.raw === true),
      stderr: new Outlet(stderr, options.raw === true),
    };
  }

  take({ channel, bytes }: Pick<OutputChunk, "channel" | "bytes">): Promise<void> {
    return this.#outlets[channel].write(bytes);
  }

  async end(): Promise<void> {
    await this.#outlets.stdout.end();
    await this.#outlets.stderr.end();
    await endStyle();
  }

  bytesOf(channel: Channel): number {
    return this.#outlets[channel].bytes;
  }
}

class Outlet {
  bytes = 0;
  readonly #stream: Output;
  readonly #text: TerminalText | undefined;

  constructor(stream: Output, raw: boolean) {
    this.#stream = stream;
    this.#text = stream.isTTY === true && !raw ? terminalText(stream) : undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    return write(this.#stream, this.#text?.push(bytes) ?? bytes);
  }

  async end(): Promise<void> {
    const rest = this.#text?.end() ?? "";
    if (rest !== "") await write(this.#stream, rest);
  }
}

function terminalText(stream: Output): TerminalText {
  return new TerminalText({ style: terminalStyle, isPlain: !showsColour(stream) });
}

/** Writes the output of one channel to a stream, which may be a terminal. */
export function shownOutput(stream: Output, output: string, options: { readonly raw?: boolean }): string {
  if (stream.isTTY !== true || options.raw === true) return output;
  const text = terminalText(stream);
  return text.push(Buffer.from(output)) + text.end();
}

/** The colours of a run must end with the run. */
export async function endStyle(): Promise<void> {
  const { reset } = terminalStyle;
  terminalStyle.end();
  if (reset === "") return;
  const { stdout, stderr } = surroundings();
  await write(stdout.isTTY === true ? stdout : stderr, reset);
}
