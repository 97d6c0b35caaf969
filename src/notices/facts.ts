/** What a notice says about a run that ended. */
import type { Limits } from "../limits/limits.js";
import type { RunOutcome } from "../model/outcome.js";
import type { RunRecord } from "../model/run-record.js";
import { maskText } from "../model/secrets.js";
import { recordOfRun } from "../runs/run/record.js";
import type { Run } from "../runs/run/run.js";
import type { OutputPiece, RunOutput } from "../runs/streams/output.js";
import { visibleText } from "../text/visible-text.js";

export interface RunFacts extends RunRecord {
  readonly durationMs: number;
  /** What the error says, if there is one. */
  readonly message?: string;
  /** The last lines of standard error, without control characters; empty where there are none. */
  readonly stderr: string;
}

const maxLines = 20;
/** Standard output may stand between the lines of standard error. */
const searchedBytes = 256 * 1024;

type FactLimits = Pick<Limits, "maxNoticeStderrBytes">;

export function factsOfRun(run: Run, outcome: RunOutcome, limits: FactLimits): RunFacts {
  const message = "error" in outcome ? { message: plain(outcome.error.message) } : {};
  const bytes = run.outputBytes === 0 ? Buffer.alloc(0) : stderrInMemory(run.output);
  return factsOfRecord({ ...recordOfRun(run), ...message }, lastLines(maskText(bytes.toString(), run.secrets), limits));
}

export function factsOfRecord(record: RunRecord & { readonly message?: string }, stderr: string): RunFacts {
  const { startedAtMs, endedAtMs = startedAtMs } = record;
  return { ...record, endedAtMs, durationMs: Math.max(0, endedAtMs - startedAtMs), stderr };
}

function stderrInMemory(output: RunOutput): Buffer {
  const pieces: Buffer[] = [];
  try {
    for (let at = firstByte(output); at < output.end;) {
      const piece = output.read(at, searchedBytes);
      // The rest is in files only.
      if (piece === undefined) break;
      at = take(pieces, piece);
    }
  } catch {
    // A part is no longer kept. What was found stays.
  }
  return Buffer.concat(pieces);
}

/** Reads from files, too. Resolves after `timeoutMs` with what was found until then. */
export async function stderrInFiles(output: RunOutput, timeoutMs: number, limits: FactLimits): Promise<string> {
  const pieces: Buffer[] = [];
  let at = firstByte(output);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    const watcher = {
      get position() {
        return at;
      },
      outputReady(): void {
        try {
          for (let piece = output.read(at, searchedBytes); piece !== undefined; piece = output.read(at, searchedBytes))
            at = take(pieces, piece);
          if (at < output.end) return;
        } catch {
          // A part is no longer kept. What was found stays.
        }
        output.unwatch(watcher);
        clearTimeout(timer);
        resolve();
      },
    };
    output.watch(watcher);
    watcher.outputReady();
  });
  return lastLines(Buffer.concat(pieces).toString(), limits);
}

function firstByte({ start, end }: RunOutput): number {
  return Math.max(start, end - searchedBytes);
}

function take(pieces: Buffer[], { channel, offset, bytes }: OutputPiece): number {
  if (channel === "stderr") pieces.push(bytes);
  return offset + bytes.length;
}

function lastLines(text: string, { maxNoticeStderrBytes }: FactLimits): string {
  const lines = text.trimEnd().split("\n").slice(-maxLines);
  const bytes = Buffer.from(lines.map(plain).join("\n"));
  // A character that is cut becomes U+FFFD.
  return bytes.subarray(Math.max(0, bytes.length - maxNoticeStderrBytes)).toString();
}

/** A reader may show the line on a terminal. Colours are left out, and of a progress bar the last state stays. */
function plain(line: string): string {
  // eslint-disable-next-line no-control-regex -- this code looks for them
  const uncoloured = line.replaceAll(/\u001b\[[0-9;]*[mK]/g, "").replace(/\r$/, "");
  return visibleText(uncoloured.slice(uncoloured.lastIndexOf("\r") + 1));
}
