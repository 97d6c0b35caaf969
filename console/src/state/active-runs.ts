/** The runs that go on, so that several can be watched at once, from every view. */
import { signal } from "@preact/signals";
import { fetchRuns } from "../api/calls.js";
import type { RunRecord } from "../api/types.js";
import { sessionState } from "./session.js";

export const activeRuns = signal<readonly RunRecord[]>([]);

const everyMs = 4_000;

export async function refreshActiveRuns(): Promise<void> {
  if (sessionState.value.kind !== "signed in" || document.visibilityState !== "visible") return;
  try {
    activeRuns.value = (await fetchRuns({ status: "running", limit: 20 })).runs;
  } catch {
    // The next time will tell. That the server is gone is shown by itself.
  }
}

export function watchActiveRuns(): void {
  setInterval(() => void refreshActiveRuns(), everyMs);
  document.addEventListener("visibilitychange", () => void refreshActiveRuns());
}
