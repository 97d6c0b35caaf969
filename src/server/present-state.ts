import type { InProcessHost } from "../doors/in-process/host.js";
import type { OpenRuns } from "../journal/open-runs.js";
import type { EventLoopDelayMeter } from "../metrics/event-loop-delay.js";
import type { PresentState } from "../metrics/read-metrics.js";
import type { Notices } from "../notices/notices.js";
import type { PacketDoors } from "./packet-doors.js";

/** What the metrics say of the server as it is now. */
export function presentState(
  parts: {
    readonly host: Pick<InProcessHost, "dispatcher">;
    readonly packets: PacketDoors;
    readonly runs: Pick<OpenRuns, "store"> | undefined;
    readonly notices: Notices;
    readonly eventLoop: EventLoopDelayMeter;
  },
  commands: number,
): PresentState {
  const { host, packets, runs, notices, eventLoop } = parts;
  const { runs: journalRuns, bytes: journalBytes } = runs?.store.size ?? { runs: 0, bytes: 0 };
  const { taken: runsInProgress, waiting: runsWaiting } = host.dispatcher.turns;
  return {
    runsInProgress,
    runsWaiting,
    commands,
    connections: packets.connectionsByDoor,
    ...packets.bytes,
    journalRuns,
    journalBytes,
    noticesWaiting: notices.waiting,
    eventLoopDelay: eventLoop.read(),
  };
}
