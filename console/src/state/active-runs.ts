/** The runs that go on, so that several can be watched at once, from every view. */
import { signal } from "@preact/signals";
import { fetchRuns } from "../api/calls.js";
import type { RunRecord } from "../api/types.js";
import { sessionState } from "./session.js";

export const activeRuns = signal<readonly RunRecord[]>([]);

const everyMs = 4_000;

export async function refreshActiveRuns(): Promise<void> {
  const { value: session } = sessionState;
  if (session.kind !== "signed in" || document.visibilityState !== "visible") return;
  try {
    const { runs } = await fetchRuns({ status: "running", limit: 20 });
    // Somebody else may have signed in meanwhile.
    if (sessionState.value === session) activeRuns.value = runs;
  } catch {
    // The next time will tell. That the server is gone is shown by itself.
  }
}

export function forgetActiveRuns(): void {
  activeRuns.value = [];
}

export function watchActiveRuns(): void {
  setInterval(() => void refreshActiveRuns(), everyMs);
  document.addEventListener("visibilitychange", () => void refreshActiveRuns());
}
