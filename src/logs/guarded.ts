import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import { systemClock } from "./clock.js";
import { oncePerInterval, warnOfLogs } from "./files.js";
import { maskKnown, maskKnownThrown } from "./known-secrets.js";

/**
 * Wraps logs of a user's own. These get what the files get: faults without the secrets that this process knows. When
 * they throw, or return a promise that fails, no run and no connection ends; a warning of the process tells of it, at
 * most once in `logProblemIntervalMs`.
 */
export function guardLogs(logs: Logs, limits: Pick<Limits, "logProblemIntervalMs" | "maxLogCauses">): Logs {
  const tell = oncePerInterval(warnOfLogs, limits.logProblemIntervalMs, systemClock);
  const guarded = (name: string, work: () => unknown): void => {
    const failed = (error: unknown): void => tell(`${name}() of your logs failed; the server goes on`, error);
    try {
      const returned = work();
      if (returned instanceof Promise) returned.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
  return {
    access: (event) => guarded("access", () => logs.access(event)),
    error: (event) =>
      guarded("error", () =>
        logs.error({
          ...event,
          message: maskKnown(event.message),
          ...(event.error === undefined ? {} : { error: maskKnownThrown(event.error, limits.maxLogCauses) }),
        }),
      ),
    command: (event) => guarded("command", () => logs.command(event)),
    commandsFile: logs.commandsFile,
    async close() {
      try {
        await logs.close();
      } catch (error) {
        tell("close() of your logs failed", error);
      }
    },
  };
}
