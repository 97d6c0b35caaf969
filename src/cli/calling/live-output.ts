/** Output of a run on its way to the same streams here: as it is into pipes and files, harmless on a terminal. */
import type { OutputChunk } from "../../client/protocol/run-output.js";
import { write } from "../terminal/streams.js";
import { VisibleStream } from "../../text/visible-text.js";

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
    this.#outlets = {
      stdout: new Outlet(process.stdout, options.raw === true),
      stderr: new Outlet(process.stderr, options.raw === true),
    };
  }

  take({ channel, bytes }: Pick<OutputChunk, "channel" | "bytes">): Promise<void> {
    return this.#outlets[channel].write(bytes);
  }

  async end(): Promise<void> {
    await this.#outlets.stdout.end();
    await this.#outlets.stderr.end();
  }

  bytesOf(channel: Channel): number {
    return this.#outlets[channel].bytes;
  }
}

class Outlet {
  bytes = 0;
  readonly #stream: NodeJS.WriteStream;
  readonly #visible: VisibleStream | undefined;

  constructor(stream: NodeJS.WriteStream, raw: boolean) {
    this.#stream = stream;
    this.#visible = stream.isTTY && !raw ? new VisibleStream() : undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length;
    return write(this.#stream, this.#visible?.push(bytes) ?? bytes);
  }

  async end(): Promise<void> {
    const rest = this.#visible?.end() ?? "";
    if (rest !== "") await write(this.#stream, rest);
  }
}
