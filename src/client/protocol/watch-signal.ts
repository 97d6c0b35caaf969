import { setMaxListeners } from "node:events";

/** Calls `aborted` at most once. Returns a function that ends the watch. */
export function watchSignal(signal: AbortSignal, aborted: () => void): () => void {
  try {
    // One signal may stop any number of calls, and Node treats more than 10 listeners as a leak.
    setMaxListeners(0, signal);
  } catch {
    // The signal of another library, such as jsdom, is no EventTarget of Node, which then counts no listeners either.
  }
  signal.addEventListener("abort", aborted, { once: true });
  return () => signal.removeEventListener("abort", aborted);
}
