/** Commands with output, and what reads it. */
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { defineCommand } from "iscep";
import type { RunHandle } from "#iscep/client/protocol/run-handle";

/** Each byte tells its place, so that one lost or doubled shows. */
export function patternBytes(from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = ((from + index) * 31 + ((from + index) >> 8)) & 255;
  return bytes;
}

/** Writes `bytes` in pieces, and counts what it has written; waits where it is asked to. */
export function writer() {
  const state = { written: 0, aborted: false };
  const command = defineCommand({
    name: "write",
    description: "Writes a pattern",
    args: z.object({ bytes: z.int(), piece: z.int(), pauseMs: z.int().optional() }),
    run: async ({ bytes, piece, pauseMs }, { output, signal }) => {
      signal.addEventListener("abort", () => (state.aborted = true));
      let written = 0;
      for (let at = 0; at < bytes && !signal.aborted; at += piece) {
        const length = Math.min(piece, bytes - at);
        const waiting = output.write("stdout", patternBytes(at, length));
        written = at + length;
        state.written = written;
        if (waiting !== undefined) await waiting;
        if (pauseMs !== undefined) await sleep(pauseMs);
      }
      // Other runs of this command write `state`, too.
      return written;
    },
  });
  return { command, state };
}

export interface Collected {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly all: Buffer;
}

/** All output of a run; each chunk has to begin where the one before it ended. */
export async function collect(run: Pick<RunHandle, "output">, from = 0): Promise<Collected> {
  const parts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[], all: [] as Uint8Array[] };
  let at = from;
  for await (const { channel, offset, bytes } of run.output) {
    if (offset !== at) throw new Error(`a chunk begins at ${offset}, and the one before it ended at ${at}`);
    at += bytes.length;
    parts[channel].push(bytes);
    parts.all.push(bytes);
  }
  return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr), all: Buffer.concat(parts.all) };
}
