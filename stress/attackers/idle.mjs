// @ts-check
/** Opens connections, and says nothing on them. */
import { dial, parameters, report, stopped } from "./wire.mjs";

const { target, connections = 0 } = parameters();
/** @type {import("./wire.mjs").Socket[]} */
const sockets = [];
while (sockets.length < connections)
  sockets.push(
    ...(await Promise.all(Array.from({ length: Math.min(100, connections - sockets.length) }, () => dial(target)))),
  );
report({ opened: sockets.length });
await stopped;
