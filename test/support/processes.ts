/** A look at the system for what runs leave behind. */
import { readdirSync, readFileSync } from "node:fs";
import { until } from "./until.js";

/** Processes that were started for these runs, are there, and are no zombies. */
export function processesOf(runIds: string | ReadonlySet<string>): number[] {
  const isOf = (id: string): boolean => (typeof runIds === "string" ? runIds === id : runIds.has(id));
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
        const run = /(?:^|\0)ISCEP_RUN=([^\0]*)/.exec(environment)?.[1];
        return run !== undefined && isOf(run);
      } catch {
        return false; // it has ended meanwhile, or is another user's
      }
    })
    .map(Number);
}

/** Nothing of the run is left, nor will be: what was killed may take the system a moment. */
export async function expectGone(runId: string): Promise<void> {
  await until(() => processesOf(runId).length === 0, `processes of the run are left: ${processesOf(runId).join(", ")}`);
}
