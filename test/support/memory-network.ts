/**
 * A network in memory: pairs of sockets whose bytes are split, merged, delayed and cut by a seeded chance, one turn of
 * the event loop after the other. Nothing waits for time.
 */
import { Duplex } from "node:stream";
import type { ByteStream } from "#iscep/transport/byte-stream";

/** Small, seeded, and the same everywhere (mulberry32). */
export function chance(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface MemoryNetworkOptions {
  readonly seed: number;
  /** Connection by connection: cut once so many bytes have passed, both ways together. The others are not cut. */
  readonly cuts?: readonly number[];
}

export class MemoryNetwork {
  readonly #random: () => number;
  readonly #cuts: readonly number[];
  readonly #busy = new Set<Way>();
  #turnIsDue = false;
  connections = 0;

  constructor({ seed, cuts = [] }: MemoryNetworkOptions) {
    this.#random = chance(seed);
    this.#cuts = cuts;
  }

  /** Both ends of a new connection: of the client, and of the server. */
  connect(): readonly [client: MemorySocket, server: MemorySocket] {
    const cutAt = this.#cuts[this.connections++] ?? Number.POSITIVE_INFINITY;
    const wire = { left: cutAt, isCut: false };
    const client = new MemorySocket(this, false);
    const server = new MemorySocket(this, true);
    client.way = new Way(wire, client, server);
    server.way = new Way(wire, server, client);
    return [client, server];
  }

  /** There is something to carry. */
  wake(way: Way): void {
    this.#busy.add(way);
    if (this.#turnIsDue) return;
    this.#turnIsDue = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#turnIsDue = false;
    // A copy: what is carried may wake others, whose turn is the next one.
    const ways = [...this.#busy];
    for (const way of ways) {
      // Now and then the bytes of one way take a turn longer than those of another.
      if (this.#random() < 0.3) continue;
      if (!way.carry(this.#pieceBytes())) this.#busy.delete(way);
    }
    const [next] = this.#busy;
    if (next !== undefined) this.wake(next);
  }

  #pieceBytes(): number {
    const kind = this.#random();
    if (kind < 0.2) return 1 + Math.floor(this.#random() * 8);
    if (kind < 0.5) return 1 + Math.floor(this.#random() * 1_000);
    return 64 * 1024;
  }
}

interface Wire {
  /** Bytes that still pass before the cut. */
  left: number;
  isCut: boolean;
}

interface Sent {
  bytes: Buffer;
  readonly taken: () => void;
}

/** One direction of a connection. */
class Way {
  readonly #wire: Wire;
  readonly #from: MemorySocket;
  readonly #to: MemorySocket;
  readonly #sent: Sent[] = [];
  #isEnded = false;
  #endWasCarried = false;
  /** The reader's buffer is full. */
  isBlocked = false;

  constructor(wire: Wire, from: MemorySocket, to: MemorySocket) {
    this.#wire = wire;
    this.#from = from;
    this.#to = to;
  }

  send(bytes: Buffer, taken: () => void): void {
    this.#sent.push({ bytes, taken });
  }

  end(): void {
    this.#isEnded = true;
  }

  /** The socket of the sender. */
  get from(): MemorySocket {
    return this.#from;
  }

  get to(): MemorySocket {
    return this.#to;
  }

  /** True when there may be more to carry. */
  carry(mostBytes: number): boolean {
    if (this.#wire.isCut || this.#to.destroyed) {
      for (const { taken } of this.#sent.splice(0)) taken();
      return this.#sent.length > 0;
    }
    if (this.isBlocked) return false;
    const piece = this.#take(Math.min(mostBytes, this.#wire.left));
    if (piece.length > 0) {
      this.#wire.left -= piece.length;
      this.isBlocked = !this.#to.push(piece);
    }
    if (this.#wire.left <= 0) {
      this.#cut();
      return false;
    }
    if (this.#sent.length > 0) return true;
    if (this.#isEnded && !this.#endWasCarried) {
      this.#endWasCarried = true;
      this.#to.push(null);
    }
    return false;
  }

  /** Pieces of several writes come together, and one write in several pieces. */
  #take(mostBytes: number): Buffer {
    const pieces: Buffer[] = [];
    let left = mostBytes;
    for (let first = this.#sent[0]; first !== undefined && left > 0; first = this.#sent[0]) {
      const piece = first.bytes.subarray(0, left);
      pieces.push(piece);
      left -= piece.length;
      first.bytes = first.bytes.subarray(piece.length);
      if (first.bytes.length > 0) break;
      this.#sent.shift();
      first.taken();
    }
    return Buffer.concat(pieces);
  }

  #cut(): void {
    this.#wire.isCut = true;
    const reset = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
    this.#to.destroy(reset);
    this.#from.destroy(reset);
  }
}

export class MemorySocket extends Duplex implements ByteStream {
  /** What goes to the other end. */
  way: Way | undefined;
  readonly #network: MemoryNetwork;
  #sentBytes = 0;

  constructor(network: MemoryNetwork, allowHalfOpen: boolean) {
    super({ allowHalfOpen });
    this.#network = network;
  }

  get bytesWritten(): number {
    return this.#sentBytes + this.writableLength;
  }

  get other(): MemorySocket | undefined {
    return this.way?.to;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    const { way } = this;
    if (way === undefined) return;
    way.send(Buffer.from(chunk), () => {
      this.#sentBytes += chunk.length;
      done();
    });
    this.#network.wake(way);
  }

  override _read(): void {
    const way = this.other?.way;
    if (way?.isBlocked !== true) return;
    way.isBlocked = false;
    this.#network.wake(way);
  }

  override _final(done: (error?: Error) => void): void {
    if (this.way !== undefined) {
      this.way.end();
      this.#network.wake(this.way);
    }
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.way !== undefined) {
      this.way.end();
      this.#network.wake(this.way);
    }
    done(error);
  }
}
