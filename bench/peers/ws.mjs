// JSON texts with an id over a WebSocket, as most programs use it. No compression.
import { once } from "node:events";
import { WebSocket, WebSocketServer } from "ws";

const limits = { maxPayload: 2 ** 26, perMessageDeflate: false };

export async function server() {
  const listening = new WebSocketServer({ host: "127.0.0.1", port: 0, ...limits });
  listening.on("connection", (socket) => {
    socket.on("message", (text) => {
      const { id, command, args } = JSON.parse(text);
      if (command === "greet") socket.send(JSON.stringify({ id, result: args }));
      else void stream(socket, id, args);
    });
  });
  await once(listening, "listening");
  return { port: listening.address().port };
}

async function stream(socket, id, { pieces, pieceBytes }) {
  const piece = "x".repeat(pieceBytes);
  for (let index = 0; index < pieces; index++) {
    const text = JSON.stringify({ id, piece });
    if (socket.bufferedAmount < 2 ** 20) socket.send(text);
    else await new Promise((resolve) => socket.send(text, resolve));
  }
}

export async function connect({ port }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, limits);
  await once(socket, "open");
  const waiting = new Map();
  let lastId = 0;
  socket.on("message", (text) => {
    const { id, result, piece } = JSON.parse(text);
    if (piece !== undefined) {
      waiting.get(id)(piece);
      return;
    }
    waiting.get(id)(result);
    waiting.delete(id);
  });
  const ask = (command, args, heard) => {
    waiting.set(++lastId, heard);
    socket.send(JSON.stringify({ id: lastId, command, args }));
  };
  return {
    call: (args) => new Promise((resolve) => ask("greet", args, resolve)),
    output(pieces, pieceBytes) {
      let left = pieces;
      return new Promise((resolve) => ask("stream", { pieces, pieceBytes }, () => --left === 0 && resolve()));
    },
    async close() {
      const closed = once(socket, "close");
      socket.close();
      await closed;
    },
  };
}
