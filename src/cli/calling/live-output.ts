/** Output of a run on its way to the same streams here: as it is into pipes and files, harmless on a terminal. */
import type { OutputChunk } from "../../client/protocol/run-output.js";
import { TerminalText } from "../../text/terminal-text.js";
import { terminalStyle } from "../terminal/status-line.js";
import { showsColour, write } from "../terminal/streams.js";
import { surroundings, type Output } from "../terminal/surroundings.js";

type Channel = OutputChunk["channel"];

/** Who follows a run gives its chunks to one of these. */
export interface OutputTarget {
  /** Resolves when the next chunk may come. */
  take(chunk: Pick<OutputChunk, "channel" | "bytes">): Promise<void>;
  /** No more will come. */
  end(): Promise<void>;
  /** Bytes that came of a channel. */
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

/** The whole output of one channel, for a stream that is a terminal or is none. */
export function shownOutput(stream: Output, output: string, options: { readonly raw?: boolean }): string {
  if (stream.isTTY !== true || options.raw === true) return output;
  const text = terminalText(stream);
  return text.push(Buffer.from(output)) + text.end();
}

/** The colours of a run end with it. */
export async function endStyle(): Promise<void> {
  const { reset } = terminalStyle;
  terminalStyle.end();
  if (reset === "") return;
  const { stdout, stderr } = surroundings();
  await write(stdout.isTTY === true ? stdout : stderr, reset);
}
