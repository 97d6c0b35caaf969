/** The present, for what is told relative to it. It stands still while nobody looks at the page. */
import { signal } from "@preact/signals";

export const nowMs = signal(Date.now());

export function runClock(): void {
  setInterval(() => {
    if (document.visibilityState === "visible") nowMs.value = Date.now();
  }, 1_000);
}
