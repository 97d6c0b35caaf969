/** Ctrl-C and SIGTERM: the first one ends the work in good order, the second ends the process. */
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

/** `onFirst` is called once, `onSecond` before the process ends at once. Returns how to stop listening. */
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

/** Runs a client's work under a signal that Ctrl-C and SIGTERM abort; the exit code then tells which one it was. */
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

/** The first Ctrl-C: the run has to hear of it, and to end. */
export function sayCancelling(): void {
  eraseEcho();
  void noteLabelled("yellow", "iscep:", "cancelling the run; once more leaves at once");
}
