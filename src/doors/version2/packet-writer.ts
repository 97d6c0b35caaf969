/**
 * All that the server writes in one session: HELLO, messages and output. Nobody else writes to the socket, so the order
 * of packets, what leaves together, and when to wait for the peer are decided here.
 */
import { Socket } from "node:net";
import type { Limits } from "../../limits/limits.js";
import type { LentPiece, OutputPiece } from "../../runs/streams/output-block.js";
import { Outbox } from "../../session/outbox.js";
import type { ByteStream } from "../../transport/byte-stream.js";
import { writtenBytesOf, type WrittenBytes } from "../../transport/written-bytes.js";
import type { PacketHash } from "../../wire/packet-hash.js";
import { encodeDataPacket, encodeDataParts } from "../../wire/version2.js";
import { WriteWindow, type UnsentBytes } from "../write-window.js";
import { OutputTurns, type TurnTaker } from "./output-turns.js";
import type { SessionWriter } from "./session-writer.js";

/** From this size on, copying costs more than writing in parts. */
const worthPartsBytes = 8 * 1024;

export interface PacketWriterHost {
  /** The peer has read, and gets more. */
  drained(): void;
}

export class PacketWriter implements SessionWriter {
  readonly #socket: ByteStream;
  readonly #window: WriteWindow;
  readonly #outbox: Outbox;
  // Many connections ask for no output.
  #turns: OutputTurns | undefined;
  #flushIsScheduled = false;
  /** True while the socket holds so much that it will tell when it is empty. */
  #isBackedUp = false;

  constructor(socket: ByteStream, limits: Limits, unsent: UnsentBytes, host: PacketWriterHost) {
    this.#socket = socket;
    this.#window = new WriteWindow(socket, limits, unsent);
    this.#outbox = new Outbox(limits);
    socket.on("drain", () => {
      this.#isBackedUp = false;
      host.drained();
    });
  }

  /** True while the peer leaves so much unread that nothing more is done for it. */
  get isFull(): boolean {
    return this.#isBackedUp && !this.#window.isOpen;
  }

  mayAnswer(): boolean {
    return this.#window.isOpen;
  }

  maySendOutput(): boolean {
    return this.#window.isOpenForOutput;
  }

  /** What the system has taken. */
  get written(): WrittenBytes {
    return writtenBytesOf(this.#socket);
  }

  /** @param hash what both sides agreed on, for all packets behind this one */
  hello(packet: Buffer, hash: PacketHash): void {
    this.#write(packet);
    this.#outbox.hash = hash;
  }

  /** Packets have this hash from here on. What was sent before has the earlier one. */
  keyed(hash: PacketHash): void {
    this.flush();
    this.#outbox.hash = hash;
  }

  send(text: string): void {
    if (!this.#outbox.fits(text)) this.#writeGathered();
    if (this.#outbox.add(text)) this.flush();
    else this.#flushSoon();
  }

  pumpSoon(stream: TurnTaker): void {
    (this.#turns ??= new OutputTurns()).add(stream);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushIsScheduled) return;
    this.#flushIsScheduled = true;
    process.nextTick(() => this.flush());
  }

  /** Messages come first, and then the output of those streams that want to send. */
  flush(): void {
    this.#flushIsScheduled = false;
    if (this.#socket.destroyed) return;
    this.#writeGathered();
    this.#turns?.take();
  }

  #writeGathered(): void {
    const packet = this.#outbox.takePacket();
    if (packet !== undefined && !this.#socket.destroyed) this.#write(packet);
  }

  #write(packet: Buffer): void {
    this.#isBackedUp = !this.#socket.write(packet);
  }

  /**
   * The socket must be corked, because each part would be a system call otherwise. What the socket answers does not count
   * here: `maySendOutput` looks at what waits before each packet, and output alone must not stop requests, so that a slow
   * reader can still cancel.
   */
  sendOutput(stream: number, piece: OutputPiece | LentPiece): void {
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

  /** Nothing more is written. The peer still gets what waits. */
  end(): void {
    this.flush();
    this.#socket.end();
  }

  /** The socket is gone, and all that waited in it. */
  release(): void {
    this.#window.release();
  }
}
