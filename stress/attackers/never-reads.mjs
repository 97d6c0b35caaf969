// @ts-check
/** Asks for much output, and never reads. In version 1 by many calls in a row, in version 2 by one call with much output. */
import { dial, messages, packet1, parameters, report, request, session, stopped, Type } from "./wire.mjs";

const { target, token, connections = 1, bytes = 0, kind = 1, seconds = 30 } = parameters();
const fromMs = performance.now();
let closed = 0;
let lastMs = 0;

/** @param {import("./wire.mjs").Socket} socket */
function neverRead(socket) {
  socket.removeAllListeners("data");
  socket.pause();
  // The end of a connection is only seen by who reads, or by who writes into it.
  const nudge = setInterval(() => socket.write(packet1(Type.echo, { auth_token: token })), 500);
  socket.on("close", () => {
    clearInterval(nudge);
    closed++;
    lastMs = performance.now() - fromMs;
    if (closed === connections) report({ closed, lastMs });
  });
}

if (kind === 1) {
  const one = packet1(Type.call, { auth_token: token, command: "big", args: { bytes: 60_000 } });
  for (let at = 0; at < connections; at++) {
    const socket = await dial(target);
    neverRead(socket);
    socket.write(Buffer.concat(Array.from({ length: Math.ceil(bytes / 60_000) }, () => one)));
  }
} else {
  for (let at = 0; at < connections; at++) {
    const { socket } = await session(target, token);
    socket.removeAllListeners("data");
    socket.pause();
    socket.write(messages(request(50, "call", { command: "print", args: { bytes }, output: 0 })));
  }
}
setTimeout(() => report({ closed, lastMs }), seconds * 1_000);
await stopped;
