/** A TCP proxy through which nothing passes for a while, and nobody is told: a network that is cut in two. */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { later } from "./cleanup.js";

export interface StallingProxy {
  readonly port: number;
  /** Nothing passes from now on, on present and new connections. */
  stall(): void;
  /** What waited goes on. */
  heal(): void;
}

export async function stallingProxy(to: number): Promise<StallingProxy> {
  const sockets = new Set<Socket>();
  let stalled = false;
  const server = createServer((near) => {
    const far = connect({ port: to, host: "127.0.0.1" });
    for (const [from, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes) => void other.write(bytes));
      from.on("error", () => {});
      from.on("close", () => {
        sockets.delete(from);
        // Who is cut off does not hear of it.
        if (!stalled) other.destroy();
      });
      if (stalled) from.pause();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  later(async () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, "close");
  });
  return {
    port: (server.address() as AddressInfo).port,
    stall() {
      stalled = true;
      for (const socket of sockets) socket.pause();
    },
    heal() {
      stalled = false;
      for (const socket of sockets) socket.resume();
    },
  };
}
