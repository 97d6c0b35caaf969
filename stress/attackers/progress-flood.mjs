// @ts-check
/** Starts functions that report their progress as fast as they can, and does not read it. */
import { messages, parameters, report, request, session, sleep } from "./wire.mjs";

const { target, token, connections = 1, count = 1_000_000, seconds = 15 } = parameters();
await Promise.all(
  Array.from({ length: connections }, async () => {
    const { socket } = await session(target, token);
    socket.removeAllListeners("data");
    socket.pause();
    socket.write(messages(request(50, "call", { command: "chatter", args: { reports: count, size: 200 }, output: 0 })));
  }),
);
await sleep(seconds * 1_000);
report({ connections });
