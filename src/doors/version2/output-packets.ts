/** Output as DATA packets on a socket. */
import { Socket } from "node:net";
import type { LentPiece, OutputPiece } from "../../runs/streams/output-block.js";
import type { Outbox } from "../../session/outbox.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { encodeDataPacket, encodeDataParts } from "../../wire/version2.js";
import type { WriteWindow } from "../write-window.js";
import type { OutputCarrier } from "./output-stream.js";

/** From this size on, copying costs more than writing in parts. */
const worthPartsBytes = 8 * 1024;

export class OutputPackets implements OutputCarrier {
  readonly #socket: ByteStream;
  readonly #writes: WriteWindow;
  readonly #outbox: Outbox;

  constructor(socket: ByteStream, writes: WriteWindow, outbox: Outbox) {
    this.#socket = socket;
    this.#writes = writes;
    this.#outbox = outbox;
  }

  mayWrite(): boolean {
    return this.#writes.isOpenForOutput;
  }

  /** The socket must be corked. Otherwise each part would be a system call. */
  write(stream: number, piece: OutputPiece | LentPiece): void {
    const { channel, offset, bytes } = piece;
    const { hash } = this.#outbox;
    const release = "release" in piece ? piece.release : undefined;
    if (bytes.length < worthPartsBytes) {
      this.#socket.write(encodeDataPacket(stream, channel, offset, bytes, hash));
      release?.();
      return;
    }
    const [head, , tail] = encodeDataParts(stream, channel, offset, bytes, hash);
    this.#socket.write(head);
    // A socket calls back when the system has the bytes. Another kind of stream may read them later.
    this.#socket.write(bytes, this.#socket instanceof Socket ? release : undefined);
    this.#socket.write(tail);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }
}
