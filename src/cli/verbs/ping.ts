import { addClientOptions, openClient, type ClientOptions } from "../calling/client-options.js";
import { interruptible } from "../terminal/interrupt.js";
import type { DefineVerb } from "../terminal/invocation.js";
import { wholeNumber } from "../arguments/option-values.js";
import { outputIsRead, print } from "../terminal/streams.js";

interface PingOptions extends ClientOptions {
  readonly count: number;
}

export const define: DefineVerb = (command, invocation) => {
  addClientOptions(command)
    .option("--count <number>", "how many round trips", wholeNumber(1, 1_000_000), 1)
    .action(async (options: PingOptions) => {
      await interruptible(invocation, async (signal) => {
        await using client = await openClient(options, signal);
        const timesMs: number[] = [];
        // The loop ends early when nobody reads the times any more.
        while (timesMs.length < options.count && outputIsRead()) {
          const timeMs = await client.ping({ signal });
          timesMs.push(timeMs);
          if (options.json !== true) await print(`${timesMs.length}: ${timeMs.toFixed(3)} ms\n`);
        }
        const summary = {
          count: timesMs.length,
          minMs: rounded(timesMs.reduce((least, timeMs) => Math.min(least, timeMs))),
          meanMs: rounded(timesMs.reduce((sum, timeMs) => sum + timeMs, 0) / timesMs.length),
          maxMs: rounded(timesMs.reduce((most, timeMs) => Math.max(most, timeMs))),
        };
        if (options.json === true) {
          await print(`${JSON.stringify({ ...summary, timesMs: timesMs.map(rounded) })}\n`);
        } else if (timesMs.length > 1) {
          const { count, minMs, meanMs, maxMs } = summary;
          await print(`${count} round trips: least ${minMs} ms, mean ${meanMs} ms, most ${maxMs} ms\n`);
        }
      });
    });
};

function rounded(timeMs: number): number {
  return Math.round(timeMs * 1_000) / 1_000;
}
