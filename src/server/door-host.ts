import { FairWork } from "../doors/fair-work.js";
import { UnsentBytes } from "../doors/write-window.js";
import type { InProcessHost } from "../doors/in-process/host.js";
import { sourceKey } from "../identity/source.js";
import { suppressedText } from "../logs/counted-refusals.js";
import { LineRate } from "../logs/line-rate.js";
import { rethrowLater } from "../runs/rethrow-later.js";
import type { Admission } from "./admission.js";

/** What all ways into a server share. */
export function doorHost(
  shared: Pick<InProcessHost, "dispatcher" | "authenticator" | "limits" | "logs" | "metrics" | "readMetrics">,
  admission: Admission,
): InProcessHost {
  const { limits, logs } = shared;
  const refusedPackets = new LineRate(limits);
  return {
    ...shared,
    work: new FairWork(limits.workSliceMs, (error) => {
      const message = "a fault in the server ended a connection; please report it";
      if (logs === undefined)
        rethrowLater(error); // it must not vanish
      else logs.error({ event: "internal", message, error });
    }),
    unsent: new UnsentBytes(limits),
    inProcess: new Set(),
    failedToken: (source) => {
      shared.metrics.failedTokens++;
      admission.failedToken(source, performance.now());
    },
    isPenalised: (source) => admission.isPenalised(source, performance.now()),
    logRefusedPacket: (event, message, connection, source) => {
      if (logs === undefined) return;
      const line = refusedPackets.take(sourceKey(source), performance.now());
      if (line === undefined) return;
      logs.error({ event, message: message + suppressedText(line.suppressed), connection, source });
    },
  };
}
