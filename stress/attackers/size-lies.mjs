// @ts-check
/** Opens connections whose first packet claims four gigabytes, or comes in pieces of one byte. */
import { dial, packet1, parameters, report, stopped, Type } from "./wire.mjs";

const { target, connections = 0, pieceBytes = 0, size = 0 } = parameters();
const lie = Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0]);
const sockets = await Promise.all(Array.from({ length: connections }, () => dial(target)));
if (size > 0) {
  const packet = packet1(Type.echo, { response: { echo: "x".repeat(size) } });
  for (const socket of sockets) {
    for (let at = 0; at < packet.length - 1; at += pieceBytes) {
      if (!socket.write(packet.subarray(at, Math.min(at + pieceBytes, packet.length - 1))))
        await new Promise((resolve) => socket.once("drain", resolve));
    }
  }
} else for (const socket of sockets) socket.write(lie);
report({ connections });
await stopped;
