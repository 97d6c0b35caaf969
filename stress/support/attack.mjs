// @ts-check
/** Starts attackers and honest callers: programs of their own, so that neither shares the event loop of who measures. */
import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { messageOf } from "./serving.mjs";

/** @param {string} file @param {unknown} given */
function start(file, given) {
  return fork(path.join(import.meta.dirname, file), [JSON.stringify(given)], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

/**
 * Runs an attacker until it reports.
 * @param {string} name of a file in stress/attackers
 * @param {Record<string, unknown>} given
 * @returns {Promise<Record<string, number>>}
 */
export async function attack(name, given) {
  const running = startAttack(name, given);
  const figures = await running.said;
  await running.stop();
  return figures;
}

/** The same for an attack that goes on until it is stopped. @param {string} name @param {Record<string, unknown>} given */
export function startAttack(name, given) {
  const child = start(`../attackers/${name}.mjs`, given);
  const said = /** @type {Promise<Record<string, number>>} */ (messageOf(child));
  said.catch(() => {});
  return {
    child,
    /** Its first report. */
    said,
    async stop() {
      const ended = once(child, "exit");
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await ended;
    },
  };
}

/** @typedef {{ calls: number, failed: number, p50Ms: number, p99Ms: number, maxMs: number }} Honest */

/**
 * A caller who goes on calling `add` on one connection, and on new ones too, until it is stopped.
 * @param {{ url: string, token?: string, protocol?: 1 | 2, connects?: boolean, pauseMs?: number }} given
 */
export async function startHonest(given) {
  const child = start("honest.mjs", given);
  await messageOf(child);
  return {
    async stop() {
      const figures = messageOf(child);
      child.send("stop");
      const said = /** @type {Honest} */ (await figures);
      return said;
    },
    async restart() {
      const figures = messageOf(child);
      child.send("restart");
      return /** @type {Honest} */ (await figures);
    },
  };
}
