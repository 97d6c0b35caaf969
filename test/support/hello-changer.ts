/** Somebody between client and server, who passes bytes on and may change HELLO. */
import { once } from "node:events";
import { connect as connectNet, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { later } from "./cleanup.js";
import { rawPacket } from "./raw-packets.js";
import { HELLO, packet2, split2 } from "./raw-session.js";

type Change = (hello: Record<string, unknown>) => void;

async function listen(server: Server, sockets: ReadonlySet<Socket>): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  later(async () => {
    const closed = once(server, "close");
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  return (server.address() as AddressInfo).port;
}

function pass(from: Socket, to: Socket, sockets: Set<Socket>, change: (chunk: Buffer) => Buffer): void {
  sockets.add(from);
  from.on("data", (chunk: Buffer) => void to.write(change(chunk)));
  from.on("error", () => from.destroy());
  from.on("close", () => {
    sockets.delete(from);
    to.destroySoon();
  });
}

/** Changes the first packet, whose hash is then made again. */
function changeFirst(change: Change, seal: (content: unknown) => Buffer): (chunk: Buffer) => Buffer {
  let isFirst = true;
  return (chunk) => {
    if (!isFirst) return chunk;
    isFirst = false;
    const { packets, rest } = split2(chunk);
    const [hello] = packets;
    if (hello?.type !== HELLO || rest.length > 0) throw new Error("HELLO did not come in one piece");
    const content = JSON.parse(hello.content.toString()) as Record<string, unknown>;
    change(content);
    return seal(content);
  };
}

/** Returns the port. */
export function helloChanger(serverPort: number, changeOffer: Change, changeChoice: Change): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connectNet({ port: serverPort, host: "127.0.0.1", noDelay: true });
    const sealChoice = (content: unknown): Buffer => packet2(HELLO, JSON.stringify(content));
    pass(
      client,
      upstream,
      sockets,
      changeFirst(changeOffer, (content) => rawPacket(HELLO, content)),
    );
    pass(upstream, client, sockets, changeFirst(changeChoice, sealChoice));
  });
  return listen(server, sockets);
}

/** Ends TLS with a certificate of its own, and passes everything on over TLS. Returns the port. */
export function tlsRelay(serverPort: number, own: { certPem: string; keyPem: string }): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTlsServer({ cert: own.certPem, key: own.keyPem }, (client) => {
    const upstream = connectTls({ port: serverPort, host: "127.0.0.1", rejectUnauthorized: false });
    pass(client, upstream, sockets, (chunk) => chunk);
    pass(upstream, client, sockets, (chunk) => chunk);
  });
  return listen(server, sockets);
}
