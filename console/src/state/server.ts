/** Whether the server answers. When it is gone, it is asked again and again until it is back. */
import { signal } from "@preact/signals";
import { answerTimeoutMs, onServerAnswer } from "../api/http.js";
import { pauseMs } from "../api/pauses.js";

export const serverIsGone = signal(false);
/** Rises each time the server came back, so that views fetch again what they show. */
export const serverReturns = signal(0);

let asking = false;

export function watchServer(): void {
  onServerAnswer((event) => {
    if (event === "unreachable") {
      serverIsGone.value = true;
      void askUntilBack();
      return;
    }
    if (serverIsGone.value) {
      serverIsGone.value = false;
      serverReturns.value++;
    }
  });
}

async function askUntilBack(): Promise<void> {
  if (asking) return;
  asking = true;
  for (let attempt = 0; serverIsGone.value; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, pauseMs(attempt, Math.random())));
    const answer = await fetch("/livez", { cache: "no-store", signal: AbortSignal.timeout(answerTimeoutMs) }).catch(
      () => undefined,
    );
    if (answer !== undefined && answer.status < 502 && serverIsGone.value) {
      serverIsGone.value = false;
      serverReturns.value++;
    }
  }
  asking = false;
}
