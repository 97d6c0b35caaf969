/**
 * An instance kills itself at each moment of a durable call at which it has just said something to the broker, or is about to.
 * Whatever the moment, the call is completed by another one, has its outcome, or is told to be lost; and it begins at most once.
 */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { defaultLimits, defineCommand, Server } from "iscep";
import { natsDoor } from "#iscep/doors/nats/door";
import type { Broker } from "#iscep/nats/broker";
import { durableState, submitDurable, type DurableCall, type DurableState } from "#iscep/nats/queue/durable";
import { later } from "../../support/cleanup.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { plainCaller } from "../../support/nats-service.js";
import { startProgram } from "../../support/programs.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { until } from "../../support/until.js";

const limits = { natsRedeliverMs: 500, natsGoneMs: 1_000, natsBeatMs: 200 };

interface Moment {
  readonly moment: string;
  readonly call: Partial<DurableCall>;
  /** How many are submitted. The last one is looked at. */
  readonly calls?: number;
  readonly told: "completed" | "lost";
  /** What the instance that is killed has begun. */
  readonly began: number;
  /** What another one begins. */
  readonly begunElsewhere: number;
}

const mark = { command: "mark" };
const keyed = { command: "mark", headers: { "Idempotency-Key": "night" } };

const moments: readonly Moment[] = [
  { moment: "before the claim", call: mark, told: "completed", began: 0, begunElsewhere: 1 },
  { moment: "after the claim", call: mark, told: "lost", began: 0, begunElsewhere: 0 },
  // The broker has heard by then that the call is taken.
  { moment: "before the claim of the key", call: keyed, told: "lost", began: 0, begunElsewhere: 0 },
  { moment: "after the claim of the key", call: keyed, told: "lost", began: 0, begunElsewhere: 0 },
  { moment: "in the command", call: mark, told: "lost", began: 1, begunElsewhere: 0 },
  { moment: "before the outcome", call: mark, told: "lost", began: 1, begunElsewhere: 0 },
  { moment: "after the outcome", call: mark, told: "completed", began: 1, begunElsewhere: 0 },
  { moment: "before the outcome of a joined call", call: keyed, calls: 2, told: "lost", began: 1, begunElsewhere: 0 },
];

/** What is said of the call in the end. */
async function told(broker: Broker, service: string, run: string): Promise<string> {
  let state: DurableState | undefined;
  await until(async () => {
    state = await durableState(broker, service, run, defaultLimits);
    if (state === undefined || state.state === "waiting") return false;
    return state.state !== "started" || !state.isThere;
  }, `nobody knows what became of the call in ${service}`);
  if (state?.state === "ended") return state.status;
  return state?.state === "started" ? "lost" : String(state?.state);
}

/** Each moment has a service of its own. */
async function happens(nats: NatsServer, broker: Broker, { moment, call, calls = 1 }: Moment): Promise<object> {
  const service = moment.replaceAll(" ", "-");
  const file = path.join(temporaryFolder(), "lines");
  const victim = startProgram("nats-victim", `${nats.url}/${service}`, moment, file, JSON.stringify(limits));
  const exited = once(victim, "exit");
  let run = "";
  for (let index = 0; index < calls; index++) {
    if (index > 0) await until(() => existsSync(file), "the first call has not begun");
    const made = { service, command: "mark", payload: "{}", ...call };
    run = await submitDurable(broker, made, { ...defaultLimits, ...limits });
  }
  await exited;
  let begunElsewhere = 0;
  const commands = [defineCommand({ name: "mark", run: () => void begunElsewhere++ })];
  const doors = [natsDoor({ url: `${nats.url}/${service}` })];
  const other = new Server({ commands, listen: [], tokens: false, logs: false, limits, doors });
  later(() => other.close({ graceMs: 0 }));
  await other.listen();
  const end = await told(broker, service, run);
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  const began = lines.filter((line) => line === "began").length;
  return { moment: lines.at(-1), told: end, began, begunElsewhere };
}

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("at whatever moment an instance is killed, a durable call is completed or told to be lost", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const { broker } = await plainCaller(nats);
    const happened = await Promise.all(moments.map((moment) => happens(nats, broker, moment)));
    expect(happened).toEqual(
      moments.map(({ moment, told: end, began, begunElsewhere }) => ({
        moment: `killed ${moment}`,
        told: end,
        began,
        begunElsewhere,
      })),
    );
  });
});
