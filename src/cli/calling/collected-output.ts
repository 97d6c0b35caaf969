/** Collects the output of a run that becomes part of one JSON value. */
import type { OutputChunk } from "../../client/protocol/run-output.js";
import type { OutputTarget } from "./live-output.js";

export class CollectedOutput implements OutputTarget {
  readonly #maxBytes: number;
  readonly #chunks: Record<OutputChunk["channel"], Uint8Array[]> = { stdout: [], stderr: [] };
  readonly #bytes = { stdout: 0, stderr: 0 };

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  take({ channel, bytes }: Pick<OutputChunk, "channel" | "bytes">): Promise<void> {
    this.#bytes[channel] += bytes.length;
    // A part would look like the whole output, so bytes beyond the limit are only counted.
    if (this.isWhole) this.#chunks[channel].push(bytes);
    else this.#chunks[channel] = [];
    return Promise.resolve();
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  bytesOf(channel: OutputChunk["channel"]): number {
    return this.#bytes[channel];
  }

  get isWhole(): boolean {
    return this.#bytes.stdout + this.#bytes.stderr <= this.#maxBytes;
  }

  textOf(channel: OutputChunk["channel"]): string {
    return Buffer.concat(this.#chunks[channel]).toString("utf8");
  }
}
