/**
 * Instances and broker are killed at random moments, while durable calls come. None is begun twice, and none is gone without
 * a word: each has ended as its own line says, or is told to be lost.
 */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { defaultLimits, isIscepError } from "iscep";
import { durableState, submitDurable, type DurableState } from "#iscep/nats/queue/durable";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { plainCaller } from "../../support/nats-service.js";
import { startProgram } from "../../support/programs.js";
import { isStress, rounds } from "../../support/rounds.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

watchForLeaks();

const limits = { natsRedeliverMs: 500, natsGoneMs: 1_500, natsBeatMs: 200, natsTakeMs: 1_000, natsReconnectMs: 100 };
const moments = rounds(8, 60, 1_000);

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test(
    `none is doubled and none is gone silently, in ${moments} kills`,
    { timeout: isStress ? 1_200_000 : 120_000 },
    async () => {
      const file = path.join(temporaryFolder(), "marks");
      const nats = await NatsServer.start({ jetStream: true });
      const { broker } = await plainCaller(nats);
      const start = (): ChildProcess => startProgram("nats-instance", nats.url, file, JSON.stringify(limits));
      const instances = [start(), start(), start()];
      await Promise.all(instances.map(async ({ stdout }) => (stdout === null ? undefined : once(stdout, "data"))));

      const submitted = new Map<string, string>();
      const over = new AbortController();
      let refused = 0;
      const submitting = Array.from({ length: 3 }, async (_, submitter) => {
        let index = 0;
        while (!over.signal.aborted) {
          index++;
          const text = `${submitter}-${index}`;
          const call = { service: "world", command: "mark", payload: JSON.stringify({ text }) };
          try {
            submitted.set(await submitDurable(broker, call, { ...defaultLimits, ...limits }), text);
          } catch (error) {
            if (!isIscepError(error)) throw error;
            // The broker is gone. Whether it has the call is not known, and such a call may not be doubled either.
            refused++;
          }
          await sleep(Math.random() * 20);
        }
      });
      await until(() => existsSync(file), "no call has begun");
      for (let moment = 0; moment < moments; moment++) {
        // On a busy machine, the kills must not be faster than the calls.
        await until(() => submitted.size > moment, "the broker takes no call");
        await sleep(Math.random() * 200);
        const victim = Math.floor(Math.random() * 4);
        const instance = instances[victim];
        if (instance === undefined) await nats.restart({}, "SIGKILL");
        else {
          instance.kill("SIGKILL");
          instances[victim] = start();
        }
      }
      await until(() => submitted.size > moments, "the broker takes no call");
      over.abort();
      await Promise.all(submitting);

      const states = new Map<string, DurableState>();
      // After a kill, an instance is gone for `natsGoneMs`, and the last calls are given out anew.
      for (const run of submitted.keys()) {
        await until(async () => {
          const state = await durableState(broker, "world", run, defaultLimits).catch(() => undefined);
          if (state === undefined || state.state === "waiting") return false;
          if (state.state === "started" && state.isThere) return false;
          states.set(run, state);
          return true;
        }, `nobody knows what became of ${run}`);
      }
      for (const instance of instances) instance.kill("SIGKILL");

      const lines = readFileSync(file, "utf8").trimEnd().split("\n");
      const count = (line: string): number => counts.get(line) ?? 0;
      const counts = new Map<string, number>();
      for (const line of lines) counts.set(line, count(line) + 1);
      const doubled = [...counts].filter(([, times]) => times > 1);
      const wrong = [...submitted].filter(([run, text]) => {
        const state = states.get(run);
        if (state?.state === "ended") return state.status !== "completed" || count(`ended ${text}`) !== 1;
        // It is told to be lost.
        return state?.state !== "started";
      });
      const lost = [...states.values()].filter(({ state }) => state === "started").length;
      process.stdout.write(`${submitted.size} durable calls, ${lost} lost, ${refused} not taken by the broker\n`);
      expect({ doubled, wrong: wrong.map(([run]) => states.get(run)) }).toEqual({ doubled: [], wrong: [] });
      expect(submitted.size).toBeGreaterThan(moments);
    },
  );
});
