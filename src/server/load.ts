import type { Dispatcher } from "../dispatcher.js";
import type { ServerLoad } from "../doors/door.js";

/** @param turns undefined when the server takes no calls */
export function loadOf(
  turns: Pick<Dispatcher["turns"], "taken" | "waiting" | "isFull"> | undefined,
  places: number,
  commands: number,
): ServerLoad {
  if (turns === undefined) return { state: "closing", running: 0, waiting: 0, places, commands };
  const { taken: running, waiting, isFull } = turns;
  return { state: isFull ? "full" : "ready", running, waiting, places, commands };
}
