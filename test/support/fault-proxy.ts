/** A TCP proxy inside the test process that harms what passes: the network as it is on a bad day. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { later } from "./cleanup.js";

/** What happens to one direction of one connection. Offsets count its bytes from 0. */
export interface Harm {
  /** After so many bytes nothing more passes, and both sides are closed: by a FIN, or by a reset. */
  readonly cutAt?: number;
  readonly reset?: boolean;
  /** The lowest bit of the byte there is turned. */
  readonly flipAt?: number;
  readonly delayMs?: number;
  /** Bytes in one piece; the next turn of the event loop brings the next. */
  readonly pieceBytes?: number;
}

export interface Harms {
  readonly toServer?: Harm;
  readonly toClient?: Harm;
}

export interface FaultProxy {
  readonly url: string;
  readonly port: number;
  /** For connections from now on: the same for all, or by their number, counted from 0. */
  harm: Harms | ((connection: number) => Harms);
  /** So many connections came. */
  readonly connections: number;
  /** Ends all that are open now. */
  cut(): void;
}

/** @param heard gets what comes from clients, before any harm is done to it */
export async function faultProxy(
  serverPort: number,
  harm: FaultProxy["harm"] = {},
  heard: (chunk: Buffer) => void = () => {},
): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const state = { harm, connections: 0 };
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const harms = typeof state.harm === "function" ? state.harm(state.connections) : state.harm;
    state.connections++;
    const upstream = connect({ port: serverPort, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const both = [client, upstream];
    for (const socket of both) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("close", () => {
        sockets.delete(socket);
        for (const other of both) if (other !== socket) other.destroySoon();
      });
    }
    client.on("data", heard);
    pass(client, upstream, harms.toServer ?? {}, both);
    pass(upstream, client, harms.toClient ?? {}, both);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  later(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return {
    url: `iscep+tcp://127.0.0.1:${port}`,
    port,
    get harm() {
      return state.harm;
    },
    set harm(next) {
      state.harm = next;
    },
    get connections() {
      return state.connections;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

function pass(from: Socket, to: Socket, harm: Harm, both: readonly Socket[]): void {
  let passed = 0;
  let work = Promise.resolve();
  const end = (): void => {
    for (const socket of both) {
      if (harm.reset === true) socket.resetAndDestroy();
      else socket.destroySoon();
    }
  };
  if (harm.cutAt === 0) end();
  from.on("data", (chunk: Buffer) => {
    work = work.then(async () => {
      if (harm.delayMs !== undefined) await sleep(harm.delayMs);
      if (harm.cutAt !== undefined && passed >= harm.cutAt) return;
      const bytes = Buffer.from(harm.cutAt === undefined ? chunk : chunk.subarray(0, harm.cutAt - passed));
      const { flipAt } = harm;
      if (flipAt !== undefined && flipAt >= passed && flipAt < passed + bytes.length) bytes[flipAt - passed]! ^= 1;
      passed += bytes.length;
      const pieceBytes = harm.pieceBytes ?? Math.max(1, bytes.length);
      for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
        if (!to.destroyed) to.write(bytes.subarray(offset, offset + pieceBytes));
        if (harm.pieceBytes !== undefined) await new Promise((resolve) => setImmediate(resolve));
      }
      if (harm.cutAt !== undefined && passed >= harm.cutAt) end();
    });
  });
  from.on("end", () => {
    work = work.then(() => {
      if (!to.destroyed) to.end();
    });
  });
}
