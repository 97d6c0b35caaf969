/** Writes the output of one of several runs, with a label in front of each line. */
import { StringDecoder } from "node:string_decoder";
import type { OutputChunk } from "../../client/protocol/run-output.js";
import { visibleLine } from "../../text/visible-text.js";
import { write } from "../terminal/streams.js";
import { surroundings, type Output } from "../terminal/surroundings.js";

type Channel = OutputChunk["channel"];

/** A line that is longer is shown in pieces, because nobody knows when it ends. */
const mostLineCharacters = 64 * 1024;

export class LabelledOutput {
  readonly #lines: Readonly<Record<Channel, LabelledLines>>;

  /** @param raw control characters reach a terminal as they are */
  constructor(label: string, raw: boolean) {
    const { stdout, stderr } = surroundings();
    this.#lines = { stdout: new LabelledLines(stdout, label, raw), stderr: new LabelledLines(stderr, label, raw) };
  }

  take({ channel, bytes }: Pick<OutputChunk, "channel" | "bytes">): Promise<void> {
    return this.#lines[channel].take(bytes);
  }

  async end(): Promise<void> {
    await this.#lines.stdout.end();
    await this.#lines.stderr.end();
  }
}

class LabelledLines {
  readonly #stream: Output;
  readonly #label: string;
  readonly #isShownAsText: boolean;
  readonly #decoder = new StringDecoder("utf8");
  #open = "";

  constructor(stream: Output, label: string, raw: boolean) {
    this.#stream = stream;
    this.#label = label;
    this.#isShownAsText = stream.isTTY === true && !raw;
  }

  async take(bytes: Uint8Array): Promise<void> {
    const lines = (this.#open + this.#decoder.write(Buffer.from(bytes))).split("\n");
    this.#open = lines.pop() ?? "";
    if (this.#open.length > mostLineCharacters) {
      lines.push(this.#open);
      this.#open = "";
    }
    if (lines.length > 0) await write(this.#stream, lines.map((line) => this.#labelled(line)).join(""));
  }

  #labelled(line: string): string {
    // A carriage return at the end belongs to the line's end.
    const text = this.#isShownAsText ? visibleLine(line.replace(/\r$/, "")) : line;
    return `${this.#label} | ${text}\n`;
  }

  async end(): Promise<void> {
    const rest = this.#open + this.#decoder.end();
    this.#open = "";
    if (rest !== "") await write(this.#stream, this.#labelled(rest));
  }
}
