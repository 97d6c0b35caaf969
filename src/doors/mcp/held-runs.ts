/**
 * Lets a client stop following a run without ending it. Following is a call that lasts as long as the run. A connection
 * may have only so many of these, and to cancel one ends a run that nobody else wants. So one more call holds the run
 * as long as the client is there, however often it follows the run and stops again.
 */
import type { Client } from "../../client/client.js";
import type { RunHandle } from "../../client/protocol/run-handle.js";

const heldRuns = new WeakMap<Client, Set<string>>();

/** @param handle of `client.attach(run)`, which nobody reads any more */
export function stopFollowing(client: Client, run: string, handle: RunHandle, timeoutMs: number): void {
  let held = heldRuns.get(client);
  if (held === undefined) heldRuns.set(client, (held = new Set()));
  const runs = held;
  if (!runs.has(run)) {
    runs.add(run);
    void client.attach(run, { output: false, timeoutMs }).outcome.then(() => runs.delete(run));
  }
  handle.cancel();
}
