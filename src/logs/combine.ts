import type { Logs } from "../model/logs.js";

/** Calls all logs, even when one throws. Its error is thrown afterwards. */
export function combineLogs(...logs: readonly Logs[]): Logs {
  const tell = (one: (log: Logs) => void): void => {
    const problems: unknown[] = [];
    for (const log of logs) {
      try {
        one(log);
      } catch (error) {
        problems.push(error);
      }
    }
    throwFirst(problems);
  };
  return {
    access: (event) => tell((log) => log.access(event)),
    error: (event) => tell((log) => log.error(event)),
    command: (event) => tell((log) => log.command(event)),
    commandsFile: logs.find((log) => log.commandsFile !== undefined)?.commandsFile,
    async close() {
      const results = await Promise.allSettled(logs.map(async (log) => log.close()));
      throwFirst(results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : [])));
    },
  };
}

function throwFirst(problems: readonly unknown[]): void {
  if (problems.length === 1) throw problems[0];
  if (problems.length > 1) throw new AggregateError(problems, "several logs failed");
}

export const silentLogs: Logs = {
  access() {},
  error() {},
  command() {},
  async close() {},
};
