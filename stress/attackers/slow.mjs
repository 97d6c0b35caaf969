// @ts-check
/** Connections that begin and do not go on: TLS handshakes without a byte, and packets that come one byte a second. */
import { dialSilently, packet1, parameters, report, sleep, Type } from "./wire.mjs";

const {
  silentTarget,
  target,
  silent = 0,
  dripping = 0,
} = /** @type {ReturnType<typeof parameters> & { silentTarget: import("./wire.mjs").Target }} */ (parameters());
const packet = packet1(Type.echo, { response: { echo: "slow" } });
const fromMs = performance.now();
let open = 0;
let longestMs = 0;

/** @param {import("./wire.mjs").Target} where @param {boolean} drips */
function attacker(where, drips) {
  return new Promise((resolve) => {
    const socket = dialSilently(where);
    let at = 0;
    let beganMs = 0;
    const timer = setInterval(() => {
      if (drips && at < packet.length - 1) socket.write(packet.subarray(at, ++at));
    }, 1_000);
    socket.on("connect", () => {
      open++;
      beganMs = performance.now();
    });
    socket.on("data", () => {});
    socket.on("close", () => {
      clearInterval(timer);
      if (beganMs > 0) longestMs = Math.max(longestMs, performance.now() - beganMs);
      resolve(undefined);
    });
  });
}

const all = Promise.all([
  ...Array.from({ length: silent }, () => attacker(silentTarget, false)),
  ...Array.from({ length: dripping }, () => attacker(target, true)),
]);
await Promise.race([all, sleep(40_000)]);
report({ opened: open, longestMs, tookMs: performance.now() - fromMs });
