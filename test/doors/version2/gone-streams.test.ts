/** A stream that a door gave to the server, and that is gone without an error. */
import { once } from "node:events";
import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { defineCommand } from "iscep";
import { watchForLeaks } from "../../support/leaks.js";
import { helloPacket, messages, request } from "../../support/raw-session.js";
import { startServer } from "../../support/servers.js";
import { until } from "../../support/until.js";

watchForLeaks();

test("what a stream of a door had sent begins no more once the stream is gone", async () => {
  const state = { begun: 0 };
  const command = defineCommand({
    name: "begin",
    run: (_args, { signal }) => {
      state.begun++;
      return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    },
  });
  const calls = 2_000;
  const limits = { workSliceMs: 1, maxRuns: calls, maxCallsInFlight: calls, callerGraceMs: 1 };
  const { server } = await startServer({ tokens: false, commands: [command], limits });
  const stream = new Heard();
  server.accept(stream, { source: "test" });
  stream.push(helloPacket());
  await until(() => stream.heard > 0);
  stream.push(
    messages(...Array.from({ length: calls }, (_, index) => request(index + 1, "call", { command: "begin" }))),
  );
  while (state.begun === 0) await turn();
  const closed = once(stream, "close");
  stream.destroy();
  await closed;
  const { begun } = state;
  expect(begun).toBeLessThan(calls);
  for (let turns = 0; turns < 200; turns++) await turn();
  expect(state.begun).toBe(begun);
});

/** An end of a connection of which only the writes are counted. */
class Heard extends Duplex {
  readonly bytesRead = 0;
  heard = 0;
  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.heard += chunk.length;
    done();
  }
  get bytesWritten(): number {
    return this.heard + this.writableLength;
  }
}
