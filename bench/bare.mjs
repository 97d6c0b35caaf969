// The bare program that iscep is compared with: node:net, a 4-byte length and JSON, without checksum, token or
// validation. All answers of one turn of the event loop leave in one write, and frames that came whole are not copied.
import net from "node:net";
import tls from "node:tls";

/** Reads frames from a stream of chunks. */
export function frameParser(onFrame) {
  let rest = null;
  return (chunk) => {
    const data = rest === null ? chunk : Buffer.concat([rest, chunk]);
    let offset = 0;
    while (data.length - offset >= 4) {
      const end = offset + 4 + data.readUInt32BE(offset);
      if (end > data.length) break;
      onFrame(JSON.parse(data.utf8Slice(offset + 4, end)));
      offset = end;
    }
    rest = offset === data.length ? null : data.subarray(offset);
  };
}

export function frame(value) {
  const text = JSON.stringify(value);
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(4 + length);
  bytes.writeUInt32BE(length, 0);
  bytes.utf8Write(text, 4);
  return bytes;
}

/** Writes the frames of one turn of the event loop as one piece. */
export function coalescedWriter(socket) {
  let frames = [];
  return (bytes) => {
    if (frames.push(bytes) > 1) return;
    process.nextTick(() => {
      socket.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
      frames = [];
    });
  };
}

/** Writes pieces of text as JSON, many in one write, and no faster than the socket takes them. */
async function streamPieces(socket, id, { pieces, pieceBytes }) {
  const piece = "x".repeat(pieceBytes);
  let frames = [];
  let bytes = 0;
  for (let index = 0; index < pieces; index++) {
    const next = frame({ id, piece });
    frames.push(next);
    bytes += next.length;
    if (bytes < 64 * 1024 && index + 1 < pieces) continue;
    const wantsMore = socket.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
    frames = [];
    bytes = 0;
    if (!wantsMore) await new Promise((resolve) => socket.once("drain", resolve));
  }
}

/** @param certificate `{ cert, key }` as PEM for TLS */
export function bareServer(certificate) {
  return new Promise((resolve) => {
    const listen = certificate === undefined ? net.createServer : tls.createServer;
    const server = listen({ noDelay: true, backlog: 4096, ...certificate }, (socket) => {
      const write = coalescedWriter(socket);
      socket.on(
        "data",
        frameParser((request) => {
          if (request.command === "stream") void streamPieces(socket, request.id, request.args);
          else write(frame({ id: request.id, response: request.args }));
        }),
      );
      socket.on("error", () => {});
    });
    server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => resolve({ port: server.address().port }));
  });
}

/** To read a certificate costs more than a handshake, so it is read once. */
let secureContext;

/** @param cert the server's certificate as PEM for TLS. No session is resumed. */
async function dial(port, cert) {
  const where = { port, host: "127.0.0.1", noDelay: true };
  if (cert !== undefined) secureContext ??= tls.createSecureContext({ ca: cert });
  const socket =
    cert === undefined ? net.connect(where) : tls.connect({ ...where, secureContext, servername: "localhost" });
  socket.setNoDelay(true);
  const opened = cert === undefined ? "connect" : "secureConnect";
  await new Promise((resolve, reject) => socket.once(opened, resolve).once("error", reject));
  return socket;
}

/** A client with many calls in flight, each known by its id. */
export async function barePipelinedClient(port, cert) {
  const socket = await dial(port, cert);
  const write = coalescedWriter(socket);
  const pending = new Map();
  let nextId = 1;
  socket.on(
    "data",
    frameParser((answer) => {
      const resolve = pending.get(answer.id);
      pending.delete(answer.id);
      resolve(answer.response);
    }),
  );
  return {
    call(command, args) {
      return new Promise((resolve) => {
        const id = nextId++;
        pending.set(id, resolve);
        write(frame({ id, command, args }));
      });
    },
    close() {
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.end();
      return closed;
    },
  };
}

/** Asks for the output of one run. Resolves when all of its pieces have come. */
export async function bareOutput(port, args, cert) {
  const socket = await dial(port, cert);
  let left = args.pieces;
  await new Promise((resolve) => {
    socket.on(
      "data",
      frameParser(({ piece }) => {
        if (piece.length !== args.pieceBytes) throw new Error("a wrong piece");
        if (--left === 0) resolve();
      }),
    );
    socket.write(frame({ id: 1, command: "stream", args }));
  });
  socket.destroy();
}

/** A client with one call in flight. Each call returns a promise, as callers want it. */
export async function bareClient(port) {
  const socket = await dial(port);
  const write = coalescedWriter(socket);
  let answered;
  socket.on(
    "data",
    frameParser((answer) => answered(answer.response)),
  );
  return {
    call(command, args, token) {
      return new Promise((resolve) => {
        answered = resolve;
        write(frame({ auth_token: token, command, args }));
      });
    },
    close: () => socket.destroy(),
  };
}
