/** Output and progress of a command in a worker thread, on their way to its run. */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { CommandContext, CommandOutput } from "../commands/command.js";

export type ThreadMessage =
  | { readonly kind: "output"; readonly channel: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly kind: "progress"; readonly fraction: number; readonly message: string | undefined }
  /** Nothing more will come: it is posted before the result, which travels by another way. */
  | { readonly kind: "end" };

/** In the thread. A write is answered when the run has taken it, so that a slow reader holds the command back. */
export class ThreadContextOutput implements CommandOutput {
  readonly #port: MessagePort;
  readonly #waiting: (() => void)[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", () => this.#waiting.shift()?.());
    port.unref();
  }

  write(channel: "stdout" | "stderr", data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data);
    this.#post({ kind: "output", channel, bytes });
    return new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      // Only while somebody waits for it does the answer keep the thread alive.
      this.#port.ref();
    }).then(() => {
      if (this.#waiting.length === 0) this.#port.unref();
    });
  }

  progress(fraction: number, message: string | undefined): void {
    this.#post({ kind: "progress", fraction, message });
  }

  end(): void {
    this.#post({ kind: "end" });
  }

  #post(message: ThreadMessage): void {
    this.#port.postMessage(message);
  }
}

/** In the thread of the server: feeds the run from its thread. `ended` resolves when all has come. */
export function receiveThreadOutput(context: Pick<CommandContext, "output" | "progress">): {
  readonly port: MessagePort;
  readonly ended: Promise<void>;
  close(): void;
} {
  const { port1, port2 } = new MessageChannel();
  const ended = new Promise<void>((resolve) => {
    port1.on("close", () => resolve());
    port1.on("message", (message: ThreadMessage) => {
      if (message.kind === "progress") context.progress(message.fraction, message.message);
      else if (message.kind === "end") resolve();
      else {
        const waiting = context.output.write(message.channel, message.bytes);
        if (waiting === undefined) port1.postMessage(null);
        else void waiting.then(() => port1.postMessage(null));
      }
    });
  });
  // Not unref'd: until the call closes it, it keeps the process alive for what the thread has yet to say.
  return { port: port2, ended, close: () => port1.close() };
}
