/**
 * Follows a run: output, progress, its place in the queue, and its end. When the connection breaks, it comes back at the
 * next byte, so nothing is lost or shown twice.
 */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { request } from "./http.js";
import { pauseMs } from "./pauses.js";
import { Problem, toProblem } from "./problem.js";
import { objectOf, optionalNumber, textOf, type JsonObject } from "./reading.js";

export interface RunListener {
  output(channel: "stdout" | "stderr", bytes: Uint8Array, offset: number): void;
  progress(fraction: number, message: string): void;
  /** The place in the queue, from 1; 0 when the wait is over. */
  queued(position: number): void;
  end(outcome: JsonObject): void;
  /** The connection is there, or it broke and a new one is tried. */
  connection(isOpen: boolean): void;
  /** Output before this offset is no longer kept. */
  gap(from: number, to: number): void;
  /** When it is a promise, the connection is left, and the rest is asked for once it resolves. Default: all is taken. */
  readonly hold?: Promise<void> | undefined;
}

export interface FollowOptions {
  readonly run: string;
  readonly offset: number;
  readonly signal: AbortSignal;
  /** Waits before the next attempt. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** A connection that says nothing for so long is given up: the server sends a sign of life more often. */
const silenceMs = 60_000;

/** Resolves when the run has ended, or the signal says so. @throws Problem when the server refuses for good */
export async function followRun(options: FollowOptions, listener: RunListener): Promise<void> {
  const { run, signal, pause } = options;
  const position = { offset: options.offset, hasEnded: false };
  for (let attempt = 0; !signal.aborted && !position.hasEnded; attempt++) {
    const before = position.offset;
    try {
      await followOnce(run, position, listener, signal);
    } catch (error) {
      if (signal.aborted) return;
      const problem = toProblem(error);
      const keptFrom = keptOffsetOf(problem, position.offset);
      if (keptFrom !== undefined) {
        listener.gap(position.offset, keptFrom);
        position.offset = keptFrom;
        continue;
      }
      if (!isPassing(problem)) throw problem;
    }
    if (signal.aborted || position.hasEnded) return;
    listener.connection(false);
    if (listener.hold !== undefined) {
      await listener.hold;
      attempt = -1;
      continue;
    }
    if (position.offset > before) attempt = -1;
    await pause(pauseMs(Math.max(0, attempt), Math.random()), signal);
  }
}

/** A server that stops or is busy will be back. */
function isPassing({ facts: { status, code } }: Problem): boolean {
  const passingCodes = ["connect_failed", "closed", "busy"];
  return passingCodes.includes(code) || [429, 502, 503, 504].includes(status);
}

/** From where on output is still kept, when the server says so: in the details, or in its sentence. */
function keptOffsetOf({ facts: { code, detail, details = {} } }: Problem, offset: number): number | undefined {
  if (code !== "output_gone") return undefined;
  const said = /\bbefore offset (\d+)/.exec(detail)?.[1];
  const kept = optionalNumber(details["start"]) ?? (said === undefined ? undefined : Number(said));
  return kept !== undefined && kept > offset ? kept : undefined;
}

async function followOnce(
  run: string,
  position: { offset: number; hasEnded: boolean },
  listener: RunListener,
  signal: AbortSignal,
): Promise<void> {
  const once = new AbortController();
  const give = (): void => once.abort();
  signal.addEventListener("abort", give, { once: true });
  let silence = setTimeout(give, silenceMs);
  try {
    const response = await request(`/runs/${encodeURIComponent(run)}/events?offset=${position.offset}`, {
      headers: { accept: "text/event-stream" },
      signal: once.signal,
    });
    if (response.body === null) return;
    listener.connection(true);
    const parser = createParser({
      onEvent: (event) => {
        take(event, position, listener);
      },
    });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = setTimeout(give, silenceMs);
      parser.feed(decoder.decode(value, { stream: true }));
      // To read no further would hold up the run, as its output waits for those who follow it.
      if (position.hasEnded || listener.hold !== undefined) return;
      await breathe();
    }
  } catch (error) {
    // Silence and a broken stream are the same: the next connection goes on.
    if (signal.aborted || once.signal.aborted || !isNetworkError(error)) {
      if (!signal.aborted && once.signal.aborted) return;
      throw error;
    }
  } finally {
    clearTimeout(silence);
    signal.removeEventListener("abort", give);
    once.abort();
  }
}

function isNetworkError(error: unknown): boolean {
  return error instanceof TypeError || (error instanceof DOMException && error.name !== "AbortError");
}

const encoder = new TextEncoder();

function take(event: EventSourceMessage, position: { offset: number; hasEnded: boolean }, listener: RunListener): void {
  const data = objectOf(parsed(event.data));
  switch (event.event) {
    case "output": {
      const bytes = typeof data["base64"] === "string" ? bytesOf(data["base64"]) : encoder.encode(textOf(data["text"]));
      const offset = optionalNumber(data["offset"]) ?? position.offset;
      // What was seen already is passed over; a server may send the piece again in which the connection broke.
      const seen = Math.max(0, position.offset - offset);
      if (offset > position.offset) listener.gap(position.offset, offset);
      if (seen < bytes.length)
        listener.output(data["channel"] === "stderr" ? "stderr" : "stdout", bytes.subarray(seen), offset + seen);
      position.offset = Math.max(position.offset, offset + bytes.length);
      break;
    }
    case "progress":
      listener.progress(optionalNumber(data["fraction"]) ?? 0, textOf(data["message"]));
      break;
    case "queued":
      listener.queued(optionalNumber(data["position"]) ?? 0);
      break;
    case "started":
      listener.queued(0);
      break;
    case "error":
      throw new Problem({
        status: 0,
        code: textOf(data["code"], "internal"),
        title: "The output cannot be followed",
        detail: textOf(data["message"], "The server gave no reason."),
        details: objectOf(data["details"]),
      });
    case "end":
      position.hasEnded = true;
      listener.end(data);
      break;
    default:
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // An event that cannot be read tells nothing.
    return undefined;
  }
}

function bytesOf(base64: string): Uint8Array {
  const binary = atob(base64);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Lets the page draw and answer keys while much output comes. */
let lastBreathMs = 0;
async function breathe(): Promise<void> {
  const nowMs = performance.now();
  if (nowMs - lastBreathMs < 12) return;
  await new Promise((resolve) => setTimeout(resolve, 0));
  lastBreathMs = performance.now();
}
