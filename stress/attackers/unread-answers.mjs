// @ts-check
/** Asks for large answers, again and again, and reads none of them. */
import { messages, parameters, report, request, session, sleep } from "./wire.mjs";

const { target, token, connections = 1, seconds = 10 } = parameters();
const endMs = performance.now() + seconds * 1_000;
let sentBytes = 0;
let cut = 0;

/** @param {number} index */
async function one(index) {
  const open = await session(target, token);
  const big = await open.ask("call", { command: "big", args: { bytes: 1_000_000 }, detach: true });
  const run = big?.result?.["run"];
  // In turns: values of runs that have ended, pages of commands, and what we sent ourselves.
  const packets = [
    messages(...Array.from({ length: 1_000 }, (_, at) => request(1_000 + at, "attach", { run }))),
    messages(...Array.from({ length: 500 }, (_, at) => request(1_000 + at, "list", {}))),
    messages(request(1_000, "echo", { value: "e".repeat(3_000_000) })),
  ];
  const packet = packets[index % packets.length] ?? Buffer.alloc(0);
  const { socket } = open;
  socket.removeAllListeners("data");
  socket.pause();
  while (!open.isClosed && performance.now() < endMs) {
    sentBytes += packet.length;
    const fits = socket.write(packet);
    if (!fits) await Promise.race([open.closed, new Promise((resolve) => socket.once("drain", resolve)), sleep(500)]);
    else await sleep(1);
    socket.removeAllListeners("drain");
  }
  if (open.isClosed) cut++;
  socket.destroy();
}

await Promise.all(Array.from({ length: connections }, (_, index) => one(index)));
report({ sentMB: sentBytes / 1e6, cut });
