// @ts-check
/** Silent connections from many addresses of this machine (127.0.0.0/8), until told to stop. */
import { dialSilently, parameters, report, sleep, stopped } from "./wire.mjs";

const { target, connections = 1, count = 1 } = parameters();
const over = new AbortController();
/** @param {string} localAddress */
async function hold(localAddress) {
  while (!over.signal.aborted) {
    const socket = dialSilently({ ...target, localAddress });
    await new Promise((resolve) => socket.once("close", resolve));
    await sleep(100);
  }
}
for (let at = 0; at < connections; at++)
  void hold(`127.0.${1 + Math.floor((at % count) / 250)}.${1 + ((at % count) % 250)}`);
await sleep(1_000);
report({ connections });
await stopped;
over.abort();
