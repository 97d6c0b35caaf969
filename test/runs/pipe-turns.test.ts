import { setImmediate as turn } from "node:timers/promises";
import { Readable } from "node:stream";
import { expect, test } from "vitest";
import { createRunId } from "#iscep/runs/run/run-id";
import { RunOutput } from "#iscep/runs/streams/output";
import { IscepError } from "#iscep/errors";
import { PipeTurns } from "#iscep/runs/script/pipe-turns";
import { watchForLeaks } from "../support/leaks.js";
import { run, shell } from "../support/scripts.js";

watchForLeaks();

const KiB = 1024;
const MiB = 1024 * KiB;

/** A pipe that always has a chunk, as that of a script that prints at full speed. */
function endless(name: number, read: number[], turns: PipeTurns): Readable {
  const pipe = new Readable({ highWaterMark: 1, read() {} });
  pipe.on("data", (chunk: Buffer) => {
    read.push(name);
    turns.count(pipe, chunk.length);
  });
  return pipe;
}

test("in each turn so much is read, one pipe after the other, and none twice before all others", async () => {
  const turns = new PipeTurns(256 * KiB);
  const read: number[] = [];
  const pipes = Array.from({ length: 20 }, (_, name) => endless(name, read, turns));
  const chunk = Buffer.alloc(64 * KiB);
  const fill = (): void => {
    for (const pipe of pipes) if (!pipe.isPaused() && pipe.readableLength === 0) pipe.push(chunk);
  };
  // The first turn: all that the system tells of at once comes.
  fill();
  await turn();
  for (let count = 0; count < 50; count++) {
    const before = read.length;
    fill();
    await turn();
    expect(read.length - before).toBeLessThanOrEqual(4);
  }
  const counts = pipes.map((_, name) => read.filter((other) => other === name).length);
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  expect(read.length).toBeGreaterThan(100);
  for (const pipe of pipes) {
    turns.delete(pipe);
    pipe.destroy();
  }
});

test("a run that was stopped is read no further than its last words", async () => {
  const output = new RunOutput({ maxRetainedOutputBytes: 1 * MiB, streamWindowBytes: 256 * KiB });
  const stop = new AbortController();
  const ended = run(shell("trap '' TERM; exec yes"), {
    runId: createRunId(),
    signal: stop.signal,
    limits: { killGraceMs: 700 },
    output: {
      write(channel, bytes) {
        if (output.end === 0) setImmediate(() => stop.abort(new IscepError("cancelled")));
        return output.write(channel, bytes);
      },
    },
  });
  let atStop = 0;
  stop.signal.addEventListener("abort", () => (atStop = output.end));
  expect(await ended).toMatchObject({ status: "cancelled" });
  expect(output.end - atStop).toBeLessThanOrEqual(1 * MiB);
});
