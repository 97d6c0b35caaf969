import type { Writable } from "node:stream";
import type { Limits } from "../limits/limits.js";
import type { Logs } from "../model/logs.js";
import { accessLine, commandLine, errorLine, linesLostLine, type LineLimits } from "./lines.js";

/**
 * Logs for a collector: the lines of access.log, error.log and commands.log on one stream, each with the name of its
 * log in front: `{"log":"commands","time":…}`. What a stalled reader leaves behind is bounded by `maxLogBufferBytes`;
 * lines beyond it are dropped, and the next line says how many. `close()` leaves the stream open.
 */
export function openStreamLogs(stream: Writable, limits: LineLimits & Pick<Limits, "maxLogBufferBytes">): Logs {
  let isBroken = false;
  let linesLost = 0;
  const onError = (): void => {
    isBroken = true; // the collector went away; the service goes on
  };
  stream.on("error", onError);

  function write(log: string, line: string): void {
    if (isBroken || stream.destroyed || stream.writableEnded) return;
    if (stream.writableLength > limits.maxLogBufferBytes) {
      linesLost++;
      return;
    }
    if (linesLost > 0) stream.write(named(log, linesLostLine(linesLost, Date.now())));
    linesLost = 0;
    stream.write(named(log, line));
  }

  return {
    access: (event) => write("access", accessLine(event, Date.now(), limits)),
    error: (event) => write("error", errorLine(event, Date.now(), limits)),
    command: (event) => write("commands", commandLine(event, limits)),
    async close() {
      if (!isBroken && !stream.destroyed && !stream.writableEnded) {
        await new Promise<void>((resolve) => {
          stream.write("", () => resolve());
        });
      }
      stream.off("error", onError);
    },
  };
}

function named(log: string, line: string): string {
  return `{"log":"${log}",${line.slice(1)}`;
}
