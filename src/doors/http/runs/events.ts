/** A run as server-sent events: its output, its progress, and its end. */
import type { RunHandle } from "../../../client/protocol/run-handle.js";
import type { OutputChunk } from "../../../client/protocol/run-output.js";
import { toIscepError } from "../../../errors.js";
import { outcomeView } from "../answer/outcome-view.js";
import { outputEvents } from "./output-events.js";

export interface EventsOptions {
  /** Where in the output the events begin. */
  readonly offset: number;
  /** After so long without an event, a comment is sent, so that no proxy takes the connection for dead. */
  readonly heartbeatMs: number;
  /** Only the head of the answer is wanted. */
  readonly isHead?: boolean;
  /** Called when the run is known to be one that the caller may see. */
  readonly begun?: () => void;
  /** Called once, when nobody reads any more. */
  readonly over?: () => void;
}

const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  // nginx would keep back what it could send at once.
  "x-accel-buffering": "no",
};

/** @throws the error of a run that never began */
export async function eventsResponse(handle: RunHandle, options: EventsOptions): Promise<Response> {
  const events = new RunEvents(handle, options);
  try {
    await events.begin();
    options.begun?.();
  } catch (error) {
    options.over?.();
    throw error;
  }
  if (options.isHead !== true) return new Response(events.stream(), { headers });
  options.over?.();
  return new Response(null, { headers });
}

interface Texts {
  readonly texts: readonly Uint8Array[];
  readonly isLast?: boolean;
}

/** Larger writes save nothing more. */
const writeBytes = 128 * 1024;

/** Makes the events of a run. Only the newest progress and the newest place in the queue count. */
class RunEvents {
  readonly #handle: RunHandle;
  readonly #options: EventsOptions;
  readonly #output: AsyncIterator<OutputChunk>;
  #next: Promise<IteratorResult<OutputChunk>> | undefined;
  #position: number;
  #run = "";
  #isStarted = false;
  #progress: Buffer | undefined;
  #queued: Buffer | undefined;
  #wake: (() => void) | undefined;

  constructor(handle: RunHandle, options: EventsOptions) {
    this.#handle = handle;
    this.#options = options;
    this.#position = options.offset;
    // A run is not held for output that nobody has begun to read.
    this.#output = handle.output[Symbol.asyncIterator]();
    this.#next = this.#output.next();
    this.#next.catch(() => {});
    handle.onProgress((fraction, message) => {
      this.#progress = event("progress", { fraction, ...(message === undefined ? {} : { message }) });
      this.#wake?.();
    });
    handle.onQueued((position) => {
      this.#queued = event("queued", { position });
      this.#wake?.();
    });
  }

  /** @throws the error of a run that never began */
  async begin(): Promise<void> {
    try {
      this.#run = await this.#handle.id;
    } catch (error) {
      const outcome = await this.#handle.outcome;
      throw "error" in outcome ? outcome.error : error;
    }
  }

  /**
   * An event is made only when the reader asks for one. So a slow reader holds back the run, and neither events nor
   * comments pile up.
   */
  stream(): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const { texts, isLast = false } = await this.#nextTexts().catch((thrown: unknown) => this.#fault(thrown));
          controller.enqueue(Buffer.concat(texts));
          if (!isLast) return;
          controller.close();
          this.#options.over?.();
        },
        cancel: async () => {
          this.#wake?.();
          await this.#output.return?.();
          this.#options.over?.();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #nextTexts(): Promise<Texts> {
    if (!this.#isStarted) {
      this.#isStarted = true;
      return { texts: [event("started", { run: this.#run })] };
    }
    if (this.#next === undefined) {
      this.#next = this.#output.next();
      // News may be sent before its end is looked at, and it may fail meanwhile. It is awaited below.
      this.#next.catch(() => {});
    }
    if (this.#progress === undefined && this.#queued === undefined && (await this.#waited(this.#next)) === "beat")
      return { texts: [Buffer.from(":\n\n")] };
    const news = [this.#queued, this.#progress].flatMap((text) => text ?? []);
    this.#queued = this.#progress = undefined;
    if (news.length > 0) return { texts: news };
    const result = await this.#next;
    this.#next = undefined;
    if (result.done !== true) return { texts: await this.#outputFrom(result.value) };
    const end = { run: this.#run, ...outcomeView(await this.#handle.outcome) };
    return { texts: [event("end", end, this.#position)], isLast: true };
  }

  /** What comes in the same turn of the event loop leaves in one write. */
  async #outputFrom(first: OutputChunk): Promise<Uint8Array[]> {
    const texts: Uint8Array[] = [];
    const turn = new Promise<undefined>((resolve) => setImmediate(resolve, undefined));
    let chunk: OutputChunk | undefined = first;
    for (let bytes = 0; chunk !== undefined;) {
      texts.push(...outputEvents(chunk));
      bytes += chunk.bytes.length;
      this.#position = chunk.offset + chunk.bytes.length;
      if (bytes >= writeBytes) break;
      this.#next = this.#output.next();
      // A failure is told behind the output that came before it.
      const next: Promise<IteratorResult<OutputChunk> | undefined> = this.#next.catch(() => undefined);
      const result = await Promise.race([next, turn]);
      chunk = result?.done === false ? result.value : undefined;
      if (chunk !== undefined) this.#next = undefined;
    }
    return texts;
  }

  /** Waits for output, for news, or for the time to say that the run is still there. */
  async #waited(next: Promise<unknown>): Promise<"beat" | "news"> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await Promise.race([
        next.then(() => "news" as const),
        new Promise<"news">((resolve) => (this.#wake = () => resolve("news"))),
        new Promise<"beat">((resolve) => (timer = setTimeout(() => resolve("beat"), this.#options.heartbeatMs))),
      ]);
    } finally {
      clearTimeout(timer);
      this.#wake = undefined;
    }
  }

  /** The status was sent long ago, so the last event tells the fault. */
  #fault(thrown: unknown): Texts {
    const { code, message } = toIscepError(thrown);
    return { texts: [event("error", { run: this.#run, code, message })], isLast: true };
  }
}

function event(name: string, data: unknown, id?: number): Buffer {
  return Buffer.from(`${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
}
