/** Carries output, progress, standard input and abort between a command in a worker thread and its run. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { CommandContext, CommandOutput } from "../../model/command.js";
import { PacedProgress, type ProgressLimits } from "../run/paced-progress.js";
import { checkProgress, checkWrite } from "../run/reports.js";
import { packThrown, unpackThrown, type PackedThrown } from "./messages.js";

/** Messages from the thread. */
type ThreadMessage =
  | { readonly kind: "output"; readonly channel: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly kind: "progress"; readonly fraction: number; readonly message: string | undefined }
  /** Asks for one piece of standard input. The rest stays with the caller. */
  | { readonly kind: "read" }
  /** Nothing more will come. This is posted before the result, which travels another way. */
  | { readonly kind: "end" };

/** Messages to the thread. */
type RunMessage =
  /** The run has accepted one write. */
  | { readonly kind: "taken" }
  /** Answers one `read`. undefined is the end. */
  | { readonly kind: "input"; readonly bytes: Uint8Array | undefined }
  | { readonly kind: "inputFailed"; readonly thrown: PackedThrown }
  | { readonly kind: "abort"; readonly reason: PackedThrown };

interface Waiting {
  resolve(bytes: Uint8Array | undefined): void;
  reject(error: unknown): void;
}

/** In the thread, these parts of the context reach beyond it. */
export class ThreadContextChannel {
  readonly #port: MessagePort;
  readonly #controller = new AbortController();
  readonly #progress: PacedProgress;
  readonly #writes: (() => void)[] = [];
  readonly #reads: Waiting[] = [];

  /** A write is answered when the run has accepted it, so that a slow reader holds the command back. */
  readonly output: CommandOutput = { write: (channel, data) => this.#write(channel, data) };

  readonly stdin: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => this.#pieces() };

  constructor(port: MessagePort, limits: ProgressLimits) {
    this.#port = port;
    this.#progress = new PacedProgress(limits, (progress) => this.#post({ kind: "progress", ...progress }));
    port.on("message", (message: RunMessage) => this.#receive(message));
    port.unref();
  }

  /** Aborted when the run must stop. A command that goes on is ended with its thread after a grace. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  progress(fraction: number, message: string | undefined): void {
    checkProgress(fraction, message);
    this.#progress.report({ fraction, message });
  }

  end(): void {
    this.#progress.end();
    this.#post({ kind: "end" });
  }

  #write(channel: "stdout" | "stderr", data: string | Uint8Array): Promise<void> {
    checkWrite(channel, data);
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
    this.#post({ kind: "output", channel, bytes });
    return this.#answered(new Promise<void>((resolve) => this.#writes.push(resolve)));
  }

  async *#pieces(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      this.#post({ kind: "read" });
      const bytes = await this.#answered(
        new Promise<Uint8Array | undefined>((resolve, reject) => this.#reads.push({ resolve, reject })),
      );
      if (bytes === undefined) return;
      yield bytes;
    }
  }

  /** The port keeps the thread alive only while something waits for an answer. */
  #answered<Answer>(answer: Promise<Answer>): Promise<Answer> {
    this.#port.ref();
    return answer.finally(() => {
      if (this.#writes.length === 0 && this.#reads.length === 0) this.#port.unref();
    });
  }

  #receive(message: RunMessage): void {
    switch (message.kind) {
      case "taken":
        return this.#writes.shift()?.();
      case "input":
        return this.#reads.shift()?.resolve(message.bytes);
      case "inputFailed":
        return this.#reads.shift()?.reject(unpackThrown(message.thrown));
      case "abort":
        return this.#controller.abort(unpackThrown(message.reason));
    }
  }

  #post(message: ThreadMessage): void {
    this.#port.postMessage(message);
  }
}

/** The side of the server's thread. */
export interface RunChannel {
  /** The port for the thread. */
  readonly port: MessagePort;
  /** Resolves when everything that the command sent has come. */
  readonly ended: Promise<void>;
  abort(reason: unknown): void;
  close(): void;
}

export function openRunChannel(context: Pick<CommandContext, "output" | "progress" | "stdin">): RunChannel {
  const { port1, port2 } = new MessageChannel();
  const post = (message: RunMessage): void => port1.postMessage(message);
  let input: AsyncIterator<Uint8Array> | undefined;
  const read = (): void => {
    input ??= context.stdin[Symbol.asyncIterator]();
    input.next().then(
      // The chunk is copied, because the whole memory behind a view would travel with it.
      ({ done, value }) => post({ kind: "input", bytes: done === true ? undefined : Uint8Array.from(value) }),
      (error: unknown) => post({ kind: "inputFailed", thrown: packThrown(error) }),
    );
  };
  const ended = new Promise<void>((resolve) => {
    port1.on("close", () => resolve());
    port1.on("message", (message: ThreadMessage) => {
      switch (message.kind) {
        case "output": {
          const waiting = context.output.write(message.channel, message.bytes);
          if (waiting === undefined) post({ kind: "taken" });
          else void waiting.then(() => post({ kind: "taken" }));
          break;
        }
        case "progress":
          context.progress(message.fraction, message.message);
          break;
        case "read":
          read();
          break;
        case "end":
          resolve();
      }
    });
  });
  return {
    // The port is not unref'd: until the call closes it, it keeps the process alive for what the thread still sends.
    port: port2,
    ended,
    abort: (reason) => post({ kind: "abort", reason: packThrown(reason) }),
    close: () => port1.close(),
  };
}
