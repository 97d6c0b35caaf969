/** The timer that looks at all connections, so that 10,000 of them need one. */
import type { InProcessHost } from "../doors/in-process/host.js";
import type { Limits } from "../limits/limits.js";
import type { PacketDoors } from "./packet-doors.js";

export function startSweep(packets: PacketDoors, { inProcess, limits }: InProcessHost): NodeJS.Timeout {
  const look = (): void => {
    const nowMs = performance.now();
    packets.checkDeadlines(nowMs);
    for (const session of inProcess) session.check(nowMs);
  };
  // When this process stood still, what peers have sent meanwhile is read first. Otherwise they were cut for our own silence.
  return setInterval(() => setImmediate(look), intervalMs(limits));
}

/** The interval is a quarter of the shortest timeout that the sweep serves, between 10 ms and a second. */
function intervalMs(limits: Limits): number {
  const shortest = Math.min(
    limits.authenticationTimeoutMs,
    limits.packetTimeoutMs,
    limits.idleTimeoutMs,
    limits.writeStallTimeoutMs,
    limits.lingerTimeoutMs,
  );
  return Math.min(1_000, Math.max(10, Math.floor(shortest / 4)));
}
