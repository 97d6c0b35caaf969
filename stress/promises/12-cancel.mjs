// @ts-check
import { cancels, killedClients, startServer, zombiesOf } from "../support/figures.mjs";

export const number = 12;
export const promise = "a cancel, or a caller who goes away, stops the work";
export const promised =
  "1,000 cancels: every process gone within 1 s, 6 s where it ignores SIGTERM; 200 killed clients, that have 5 s to come back: within 6 s; no zombies";

/** @param {import("../run.mjs").Effort} effort */
export async function run({ isShort, slack }) {
  const server = await startServer({ callerGraceMs: 5_000 });
  try {
    const polite = await cancels(server, "stay", isShort ? 60 : 1_000);
    const stubborn = await cancels(server, "stubborn", isShort ? 4 : 96);
    const killed = isShort ? { count: 0, goneMs: 0, left: [] } : await killedClients(server, 200, 20);
    const left = polite.left.length + stubborn.left.length + killed.left.length;
    const zombies = zombiesOf(server.pid);
    return {
      measured: `${polite.count} cancels: slowest ${polite.slowestMs.toFixed(0)} ms; ${stubborn.count} that ignore SIGTERM: ${stubborn.slowestMs.toFixed(0)} ms; ${killed.count} killed clients: ${(killed.goneMs / 1_000).toFixed(1)} s; ${left} processes left, ${zombies} zombies`,
      held:
        left + zombies === 0 &&
        polite.slowestMs <= 1_000 * slack &&
        stubborn.slowestMs <= 6_000 * slack &&
        killed.goneMs <= 6_000 * slack,
    };
  } finally {
    await server.close();
  }
}
