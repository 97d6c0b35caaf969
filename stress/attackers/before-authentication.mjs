// @ts-check
/** Without a token: many requests, packets and greetings, on connections that are opened again as often as they end. */
import { dial, messages, packet1, parameters, report, request, Session, sleep, Type } from "./wire.mjs";

const { target, connections = 1, seconds = 10, kind = 2 } = parameters();
const requests = messages(
  ...Array.from({ length: 900 }, (_, index) => request(1_000 + index, "call", { command: "add" })),
);
const unknown = Buffer.concat(Array.from({ length: 1_700 }, () => packet1(99, {})));
const endMs = performance.now() + seconds * 1_000;
let sentBytes = 0;
let opened = 0;

async function one() {
  while (performance.now() < endMs) {
    try {
      const socket = await dial(target);
      opened++;
      const closed = new Promise((resolve) => socket.once("close", resolve));
      const packet = kind === 1 ? unknown : requests;
      if (kind === 2) await Promise.race([new Session(socket).open(), sleep(1_000)]);
      else socket.on("data", () => {});
      while (!socket.destroyed && performance.now() < endMs) {
        sentBytes += packet.length;
        const fits = socket.write(packet);
        await (fits
          ? new Promise(setImmediate)
          : Promise.race([closed, new Promise((resolve) => socket.once("drain", resolve))]));
        socket.removeAllListeners("drain");
      }
      socket.destroy();
    } catch {
      await sleep(20);
    }
  }
}

await Promise.all(Array.from({ length: connections }, one));
report({ sentMB: sentBytes / 1e6, opened, type: Type.call });
