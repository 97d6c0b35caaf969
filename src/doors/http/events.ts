/** A run as server-sent events: its output, its progress, and its end. */
import type { RunHandle } from "../../client/protocol/run-handle.js";
import { toIscepError } from "../../errors.js";
import { outcomeView } from "./outcome-view.js";
import { outputEvents } from "./output-events.js";

export interface EventsOptions {
  /** Where in the output the events begin. */
  readonly offset: number;
  /** A comment is sent after so long without an event, so that nobody between takes the connection for dead. */
  readonly heartbeatMs: number;
}

const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // nginx would keep back what it could send at once.
  "x-accel-buffering": "no",
};

/** @throws the error of a run that never began */
export async function eventsResponse(handle: RunHandle, options: EventsOptions): Promise<Response> {
  // A run that goes on tells its progress and its place at once, often before its id is known here.
  const news = newsOf(handle);
  const run = await handle.id.catch(async (error: unknown) => {
    await handle.outcome;
    throw error;
  });
  return new Response(runEvents(handle, run, options, news), { headers });
}

/**
 * The stream makes an event only when its reader asks for one, so a slow reader holds back the run and no events pile up.
 * Of progress and queue places only the newest count.
 */
export function runEvents(
  handle: RunHandle,
  run: string,
  { offset, heartbeatMs }: EventsOptions,
  news: RunNews = newsOf(handle),
): ReadableStream<Uint8Array> {
  const output = handle.output[Symbol.asyncIterator]();
  let position = offset;
  let next: Promise<IteratorResult<{ channel: "stdout" | "stderr"; offset: number; bytes: Uint8Array }>> | undefined;
  let isStarted = false;

  const step = async (): Promise<{ text: string; isLast?: true }> => {
    if (!isStarted) {
      isStarted = true;
      return { text: event("started", { run }) };
    }
    next ??= output.next();
    const woken = news.next();
    if (!news.isThere) {
      const beat = timer(heartbeatMs);
      try {
        const came = await Promise.race([next.then(() => "output" as const), woken, beat.over]);
        if (came === "beat") return { text: ":\n\n" };
      } finally {
        beat.stop();
      }
    }
    if (news.isThere) return { text: news.take() };
    const result = await next;
    next = undefined;
    if (result.done === true) {
      return { text: event("end", { run, ...outcomeView(await handle.outcome) }, position), isLast: true };
    }
    position = result.value.offset + result.value.bytes.length;
    return { text: outputEvents(result.value) };
  };

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { text, isLast } = await step();
          controller.enqueue(Buffer.from(text));
          if (isLast === true) controller.close();
        } catch (thrown) {
          const { code, message } = toIscepError(thrown);
          controller.enqueue(Buffer.from(event("error", { run, code, message })));
          controller.close();
        }
      },
      async cancel() {
        await output.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/** The newest progress and place in the queue that were not told yet. */
interface RunNews {
  readonly isThere: boolean;
  /** Resolves when something new has come. */
  next(): Promise<"news">;
  /** The events. They are told once. */
  take(): string;
}

function newsOf(handle: RunHandle): RunNews {
  let progress = "";
  let queued = "";
  let wake: (() => void) | undefined;
  handle.onProgress((fraction, message) => {
    progress = event("progress", { fraction, ...(message === undefined ? {} : { message }) });
    wake?.();
  });
  handle.onQueued((place) => {
    queued = event("queued", { position: place });
    wake?.();
  });
  return {
    get isThere() {
      return progress !== "" || queued !== "";
    },
    next: () => new Promise((resolve) => (wake = () => resolve("news"))),
    take() {
      const text = queued + progress;
      queued = progress = "";
      return text;
    },
  };
}

function event(name: string, data: unknown, id?: number): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}

function timer(ms: number): { over: Promise<"beat">; stop(): void } {
  let handle: NodeJS.Timeout | undefined;
  const over = new Promise<"beat">((resolve) => {
    handle = setTimeout(() => resolve("beat"), ms);
  });
  return { over, stop: () => clearTimeout(handle) };
}
