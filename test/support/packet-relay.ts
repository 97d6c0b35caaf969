/** Stands between a client and a server of version 2, and does with their packets what it wants, as somebody on a bus may. */
import { Duplex } from "node:stream";

/** What becomes of one packet of one direction: what is sent instead, in this order. */
export type Meddling = (packet: Buffer, index: number) => readonly Buffer[];

/** A stream in memory with two ends. */
class End extends Duplex {
  readonly carrier = "nats";
  readonly boundTo: string;
  bytesRead = 0;
  bytesWritten = 0;
  /** Takes what is written here. */
  taken: ((bytes: Buffer) => void) | undefined;
  closed1: (() => void) | undefined;

  constructor(boundTo: string) {
    super();
    this.boundTo = boundTo;
  }

  override _read(): void {
    // Bytes come when the other end sends them.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: () => void): void {
    this.bytesWritten += chunk.length;
    this.taken?.(chunk);
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.closed1?.();
    callback(error);
  }

  give(bytes: Buffer): void {
    if (this.destroyed) return;
    this.bytesRead += bytes.length;
    this.push(bytes);
  }
}

export interface Relay {
  readonly client: End;
  readonly server: End;
  /** So many packets came from each side. */
  readonly seen: { client: number; server: number };
  /** Sends a packet that neither side has made. */
  insert(to: "client" | "server", packet: Buffer): void;
}

/** The subject of the instance at both ends, if none is given. */
export const sessionSubject = "iscep.world.session.AAAAAAAAAAAA";

export interface RelayOptions {
  readonly toServer?: Meddling;
  readonly toClient?: Meddling;
  /** Where the client means to go, and where the server is. */
  readonly from?: string;
  readonly to?: string;
}

export function packetRelay(meddle: RelayOptions = {}): Relay {
  const client = new End(meddle.from ?? sessionSubject);
  const server = new End(meddle.to ?? sessionSubject);
  for (const end of [client, server]) end.on("error", () => {});
  const seen = { client: 0, server: 0 };
  const pass = (from: End, to: End, side: "client" | "server", meddling: Meddling | undefined): void => {
    let rest: Buffer = Buffer.alloc(0);
    from.taken = (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
        const packet = Buffer.from(rest.subarray(0, 4 + rest.readUInt32BE(0)));
        rest = rest.subarray(packet.length);
        const index = seen[side]++;
        for (const next of meddling?.(packet, index) ?? [packet]) setImmediate(() => to.give(next));
      }
    };
    from.closed1 = () => void setImmediate(() => to.destroy());
    from.once("finish", () => setImmediate(() => setImmediate(() => to.push(null))));
  };
  pass(client, server, "client", meddle.toServer);
  pass(server, client, "server", meddle.toClient);
  return { client, server, seen, insert: (to, packet) => (to === "client" ? client : server).give(packet) };
}
