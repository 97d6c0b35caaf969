import { isIscepError } from "../errors.js";
import { sourceKey } from "../identity/source.js";
import type { Limits } from "../limits/limits.js";
import type { ErrorEvent, Logs } from "../model/logs.js";
import { LineRate } from "./line-rate.js";

/**
 * The same logs, but a caller whose calls are refused gets one line a second: the first few lines are written, and
 * those that follow are counted in the next one. Otherwise a token that may run nothing could fill the logs as fast as
 * it asks. The same holds for connections of an address: the lines of those that open, when nobody knows yet who they
 * are, and of those that close and never showed a token.
 */
export function countRefusals(
  logs: Logs,
  limits: Pick<Limits, "malformedLogIntervalMs" | "maxLoggedSources" | "refusedCallLogBurst">,
): Logs {
  const commands = new LineRate(limits, limits.refusedCallLogBurst);
  const errors = new LineRate(limits, limits.refusedCallLogBurst);
  const opened = new LineRate(limits, limits.refusedCallLogBurst);
  const closed = new LineRate(limits, limits.refusedCallLogBurst);
  return {
    access(event) {
      // The doors count refused connections themselves.
      if (event.event === "refused" || event.owner !== undefined) {
        logs.access(event);
        return;
      }
      const lines = event.event === "open" ? opened : closed;
      const line = lines.take(sourceKey(event.source), performance.now());
      if (line !== undefined) logs.access(withSuppressed(event, line.suppressed));
    },
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
      if (line !== undefined) logs.command(withSuppressed(event, line.suppressed));
    },
    commandsFile: logs.commandsFile,
    close: () => logs.close(),
  };
}

function withSuppressed<Event extends object>(event: Event, suppressed: number): Event & { suppressed?: number } {
  return suppressed === 0 ? event : { ...event, suppressed };
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
