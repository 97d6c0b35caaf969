import { isIscepError } from "../errors.js";
import { sourceKey } from "../identity/source.js";
import type { Limits } from "../limits/limits.js";
import type { ErrorEvent, Logs } from "../model/logs.js";
import { LineRate } from "./line-rate.js";

/**
 * The same logs, but a caller whose calls are refused gets one line a second: the first few lines are written, and
 * those that follow are counted in the next one. Otherwise a token that may run nothing could fill the logs as fast as
 * it asks.
 */
export function countRefusals(
  logs: Logs,
  limits: Pick<Limits, "malformedLogIntervalMs" | "maxLoggedSources" | "refusedCallLogBurst">,
): Logs {
  const commands = new LineRate(limits, limits.refusedCallLogBurst);
  const errors = new LineRate(limits, limits.refusedCallLogBurst);
  return {
    access: (event) => logs.access(event),
    error(event) {
      if (event.event !== "command_rejected") {
        logs.error(event);
        return;
      }
      const line = errors.take(callerOf(event), performance.now());
      if (line !== undefined) logs.error(withoutStack(event, line.suppressed));
    },
    command(event) {
      // A call that waited before it was refused already has a line of its start, and needs the one of its end.
      if (event.status !== "rejected" || event.server !== undefined) {
        logs.command(event);
        return;
      }
      const line = commands.take(callerOf(event), performance.now());
      if (line === undefined) return;
      logs.command(line.suppressed === 0 ? event : { ...event, suppressed: line.suppressed });
    },
    commandsFile: logs.commandsFile,
    close: () => logs.close(),
  };
}

/** One source may have several owners, and each has its own lines. */
function callerOf({ source = "", tokenId = null }: { source?: string; tokenId?: string | null }): string {
  const key = sourceKey(source);
  return tokenId === null ? key : `${key} ${tokenId}`;
}

/** The place in the server where a call was refused says nothing. A fault of the command's own schema has a cause. */
function withoutStack({ error, ...event }: ErrorEvent, suppressed: number): ErrorEvent {
  const isPlain = isIscepError(error) && error.cause === undefined && error.code !== "internal";
  return {
    ...event,
    message: event.message + suppressedText(suppressed),
    ...(isPlain || error === undefined ? {} : { error }),
  };
}

export function suppressedText(count: number): string {
  return count === 0 ? "" : ` (and ${count} more since the last line)`;
}
