/** Handles Ctrl-C and SIGTERM. The first one ends the work in good order, and the second one ends the process. */
import { constants } from "node:os";
import { IscepError } from "../../errors.js";
import type { Invocation } from "./invocation.js";
import { eraseEcho } from "./status-line.js";
import { noteLabelled } from "./streams.js";
import { surroundings } from "./surroundings.js";

export type StopSignal = "SIGINT" | "SIGTERM";

export function exitCodeOfSignal(signal: string): number {
  return 128 + (Object.entries(constants.signals).find(([name]) => name === signal)?.[1] ?? 0);
}

/** Calls `onFirst` once, and `onSecond` just before the process ends. Returns a function that stops listening. */
export function onStopSignals(onFirst: (signal: StopSignal) => void, onSecond?: () => void): () => void {
  const { events, exit } = surroundings();
  let stopped = false;
  const handlers = (["SIGINT", "SIGTERM"] as const).map((signal) => {
    const handler = (): void => {
      if (stopped) {
        onSecond?.();
        exit(exitCodeOfSignal(signal));
        return;
      }
      stopped = true;
      onFirst(signal);
    };
    events.on(signal, handler);
    return { signal, handler };
  });
  return () => {
    for (const { signal, handler } of handlers) events.off(signal, handler);
  };
}

/**
 * Runs a client's work under a signal that Ctrl-C and SIGTERM abort. The exit code then says which of the two it was.
 */
export async function interruptible(
  invocation: Invocation,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const controller = new AbortController();
  const stopListening = onStopSignals((signal) => {
    invocation.interruptedExitCode = exitCodeOfSignal(signal);
    controller.abort(new IscepError("cancelled", `cancelled by ${signal}`));
  });
  try {
    await work(controller.signal);
  } finally {
    stopListening();
  }
}

/** After the first Ctrl-C, the run must learn of it and end. */
export function sayCancelling(): void {
  eraseEcho();
  void noteLabelled("yellow", "iscep:", "cancelling the run; once more leaves at once");
}
