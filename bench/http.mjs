// The bare program for calls over HTTP, and the caller of both: it writes requests whose bytes are made once, and reads no more of
// an answer than it must.
import { createServer } from "node:http";
import net from "node:net";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";

/** Hono on the same HTTP server, with what every program of this kind does: a token, JSON in, JSON out. */
export async function honoServer({ token }) {
  const app = new Hono();
  app.post("/commands/greet", async (context) => {
    if (context.req.header("authorization") !== `Bearer ${token}`) return context.text("", 401);
    const { message, numb } = await context.req.json();
    if (typeof message !== "string" || !Number.isInteger(numb)) return context.text("", 422);
    return context.json({ status: "completed", value: { message, numb } });
  });
  const listener = getRequestListener(app.fetch);
  const server = createServer((incoming, outgoing) => void listener(incoming, outgoing));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port };
}

function request(token, path, body, headers = []) {
  return [
    `POST ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    `Authorization: Bearer ${token}`,
    "Content-Type: application/json",
    ...headers,
    `Content-Length: ${Buffer.byteLength(body)}`,
    "",
    body,
  ].join("\r\n");
}

async function open(port) {
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

/** One call after the other on each of `inFlight` connections. */
export async function httpCalls({ port, token, inFlight, ms }) {
  const text = request(token, "/commands/greet", '{"message":"hello","numb":1}');
  const sockets = await Promise.all(Array.from({ length: inFlight }, () => open(port)));
  const round = async (duration) => {
    let calls = 0;
    const startedMs = performance.now();
    const until = startedMs + duration;
    const caller = (socket) =>
      new Promise((resolve, reject) => {
        let rest = "";
        const answered = (chunk) => {
          rest += chunk.toString("latin1");
          const head = rest.indexOf("\r\n\r\n");
          const length = /content-length: (\d+)/i.exec(rest)?.[1];
          if (head === -1 || length === undefined || rest.length < head + 4 + Number(length)) return;
          if (!rest.includes('"message":"hello","numb":1')) reject(new Error(`a wrong answer: ${rest}`));
          rest = "";
          calls++;
          if (performance.now() < until) socket.write(text);
          else {
            socket.off("data", answered);
            resolve();
          }
        };
        socket.on("data", answered);
        socket.write(text);
      });
    await Promise.all(sockets.map(caller));
    return { calls, perSecond: calls / ((performance.now() - startedMs) / 1000) };
  };
  const first = await round(500);
  const measured = await round(ms);
  for (const socket of sockets) socket.destroy();
  return { perSecond: measured.perSecond, calls: first.calls + measured.calls };
}

/** Reads the output of one run as events. Resolves with the bytes of the stream when it ended. */
export async function httpEvents({ port, token, pieces, pieceBytes }) {
  const socket = await open(port);
  socket.write(
    request(token, "/commands/stream", JSON.stringify({ pieces, pieceBytes }), [
      "Accept: text/event-stream",
      "Connection: close",
    ]),
  );
  let bytes = 0;
  let last = "";
  for await (const chunk of socket) {
    bytes += chunk.length;
    last = (last + chunk.subarray(-4_096).toString("latin1")).slice(-4_096);
  }
  if (!last.includes('"status":"completed"')) throw new Error(`the stream ended with ${last}`);
  if (bytes < pieces * pieceBytes) throw new Error(`only ${bytes} bytes came`);
}
