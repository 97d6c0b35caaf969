/** A schedule of several instances runs once for all of them, also when one is cut off from the broker. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { describe, expect, test } from "vitest";
import {
  defaultLimits,
  defineCommand,
  type ErrorEvent,
  type Logs,
  type NoArguments,
  type ScheduleDefinition,
} from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { OtherInstances } from "#iscep/doors/nats/parts/other-instances";
import { ScheduleClaims } from "#iscep/doors/nats/queue/schedule-claims";
import { parseBrokerAddress } from "#iscep/nats/address";
import { encodeBeat, type InstanceState } from "#iscep/nats/beat";
import { Broker } from "#iscep/nats/broker";
import { newId } from "#iscep/nats/subjects";
import { Scheduler } from "#iscep/schedule/scheduler";
import type { ScheduleClaim } from "#iscep/schedule/shared-times";
import { later } from "../../support/cleanup.js";
import { errorOf } from "../../support/error-of.js";
import { faultProxy } from "../../support/fault-proxy.js";
import { watchForLeaks } from "../../support/leaks.js";
import { NatsServer, natsServerProgram } from "../../support/nats-server.js";
import { until } from "../../support/until.js";

watchForLeaks();

const minute = 60_000;
const begin = Date.parse("2026-05-04T01:00:00Z");
const limits = {
  ...defaultLimits,
  scheduleClaimMs: 20,
  scheduleCatchUpMs: 60_000,
  natsGoneMs: 60_000,
  natsReconnectMs: 50,
};

interface Planned {
  readonly instance: string;
  readonly errors: string[];
  readonly broker: Broker;
  readonly runs: { count: number };
  finish(): void;
  at(timeMs: number): void;
  /** Says that it is there. */
  beat(): void;
  takesSilentForGone(): void;
  readonly others: OtherInstances;
}

interface Claiming {
  readonly instance: string;
  readonly broker: Broker;
  readonly others: OtherInstances;
  readonly claims: ScheduleClaims;
  tell(state?: InstanceState): void;
  /** From now on. Until then it waits as long as a busy machine may stand still. */
  takesSilentForGone(): void;
}

async function claimsOn(port: number): Promise<Claiming> {
  const address = parseBrokerAddress(`nats://127.0.0.1:${port}`);
  const own = { ...limits };
  const broker = await Broker.open({ address, name: "test", limits: own });
  const instance = newId();
  const others = new OtherInstances(broker, "world", instance, own);
  const claims = new ScheduleClaims({ broker, service: "world", instance, others, server: { limits: own } });
  const takesSilentForGone = (): void => void (own.natsGoneMs = 50);
  later(async () => {
    others.close();
    await broker.close();
  });
  return { instance, broker, others, claims, takesSilentForGone, tell: (state) => tellOf(broker, instance, state) };
}

function tellOf(broker: Broker, instance: string, state: InstanceState = "ready"): void {
  const load = { running: 0, waiting: 0, places: 1, commands: 1 };
  broker.publish("iscep.world.beat", encodeBeat({ instance, version: "1", startedAt: 1, state, ...load }));
}

async function instanceOn(
  port: number,
  schedule: string | ScheduleDefinition<NoArguments> = "* * * * *",
): Promise<Planned> {
  const { broker, instance, claims, others, tell, takesSilentForGone } = await claimsOn(port);
  const errors: string[] = [];
  const logs: Logs = {
    access: () => {},
    error: ({ message }: ErrorEvent) => errors.push(message),
    command: () => {},
    close: () => Promise.resolve(),
  };
  const runs = { count: 0 };
  const waiting: (() => void)[] = [];
  const backup = defineCommand({
    name: "db.back-up:night",
    schedule,
    run: () => {
      runs.count++;
      return new Promise<void>((resolve) => waiting.push(resolve));
    },
  });
  const registry = new Registry([backup]);
  const dispatcher = new Dispatcher({ registry, limits, logs });
  const clock = { nowMs: begin };
  const claim = claims.claim.bind(claims);
  const scheduler = new Scheduler({ registry, dispatcher, limits, logs, claim, now: () => clock.nowMs });
  const finish = (): void => {
    for (const go of waiting.splice(0)) go();
  };
  later(async () => {
    scheduler.close();
    finish();
    await dispatcher.close(0);
  });
  scheduler.begin();
  errors.length = 0;
  return {
    instance,
    errors,
    broker,
    runs,
    finish,
    at: (timeMs) => {
      clock.nowMs = timeMs;
      scheduler.look();
    },
    beat: () => tell(),
    takesSilentForGone,
    others,
  };
}

const total = (instances: readonly Planned[]): number => instances.reduce((sum, { runs }) => sum + runs.count, 0);

describe.skipIf(natsServerProgram === undefined)("with a broker", () => {
  test("of three instances one starts each planned time", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const instances = [await instanceOn(nats.port), await instanceOn(nats.port), await instanceOn(nats.port)];
    for (let time = 1; time <= 5; time++) {
      for (const { at } of instances) at(begin + time * minute);
      await until(() => total(instances) === time);
      // The claim that the run goes on is given back a moment after its end.
      for (const { finish } of instances) finish();
      const kept = instances[0]?.broker;
      await until(async () => (await runningOf(kept)) === undefined);
    }
    expect(total(instances)).toBe(5);
    expect(instances.flatMap(({ errors }) => errors)).toEqual([]);
  });

  test("each instance starts it when the schedule says so", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const each = { cron: "* * * * *", once: false };
    const instances = [await instanceOn(nats.port, each), await instanceOn(nats.port, each)];
    for (const { at } of instances) at(begin + minute);
    expect(instances.map(({ runs }) => runs.count)).toEqual([1, 1]);
  });

  test("an instance that is cut off starts nothing that another one has started, and tells what nobody could start", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const proxy = await faultProxy(nats.port);
    const cutOff = await instanceOn(proxy.port);
    const there = await instanceOn(nats.port);
    proxy.harm = { toServer: { cutAt: 0 }, toClient: { cutAt: 0 } };
    proxy.cut();
    await until(() => !cutOff.broker.isConnected);
    cutOff.at(begin + minute);
    there.at(begin + minute);
    await until(() => there.runs.count === 1);
    there.finish();
    proxy.harm = {};
    await until(() => cutOff.broker.isConnected);
    // It asks again, and hears that the time is taken.
    await until(async () => (await runningOf(there.broker)) === undefined);
    cutOff.at(begin + 2 * minute);
    await until(() => cutOff.runs.count === 1);
    expect(total([cutOff, there])).toBe(2);
    expect(cutOff.errors).toEqual([]);
  });

  test("while the last run goes on in another instance, the next time is left out, and that is told", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const [one, other] = [await instanceOn(nats.port), await instanceOn(nats.port)];
    one.at(begin + minute);
    await until(() => one.runs.count === 1);
    one.beat();
    await until(() => other.others.presenceOf(one.instance) === "there");
    other.at(begin + 2 * minute);
    await until(() => other.errors.length > 0);
    expect(other.errors).toEqual([
      expect.stringMatching(`still under way in the instance ${one.instance}, and so this one is left out`),
    ]);
    // When it is gone, what it did does not stop the others.
    other.takesSilentForGone();
    let minutes = 2;
    await until(() => {
      other.at(begin + ++minutes * minute);
      return other.runs.count === 1;
    });
  });

  test("a time that comes just after an instance was killed and another one was started is not lost", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const killed = await claimsOn(nats.port);
    expect(await killed.claims.claim(backupAt(1))).toMatchObject({ kind: "ours" });
    await killed.broker.close();
    const next = await claimsOn(nats.port);
    expect(await errorOf(next.claims.claim(backupAt(2)))).toMatchObject({ code: "busy" });
    next.takesSilentForGone();
    expect(await soon(next, 2)).toMatchObject({ kind: "ours" });
  });

  test("while the last run goes on, nobody else can say that its instance has left", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const [one, other, stranger] = [await claimsOn(nats.port), await claimsOn(nats.port), await claimsOn(nats.port)];
    expect(await one.claims.claim(backupAt(1))).toMatchObject({ kind: "ours" });
    one.tell();
    await until(() => other.others.presenceOf(one.instance) === "there");
    tellOf(stranger.broker, one.instance, "left");
    await until(() => other.others.presenceOf(one.instance) === "unknown");
    expect(other.others.all).toEqual([]);
    expect(await errorOf(other.claims.claim(backupAt(2)))).toMatchObject({ code: "busy" });
    one.tell();
    await until(() => other.others.presenceOf(one.instance) === "there");
    expect(await other.claims.claim(backupAt(2))).toEqual({ kind: "underWay", where: one.instance });
    // When it has left indeed, it is silent.
    one.tell("left");
    other.takesSilentForGone();
    await until(() => other.others.presenceOf(one.instance) !== "there");
    expect(await soon(other, 3)).toMatchObject({ kind: "ours" });
  });

  test("a run that ends while the broker is away stops no later time, and no run but its own is said to be over", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const [one, other] = [await claimsOn(nats.port), await claimsOn(nats.port)];
    const first = await one.claims.claim(backupAt(1));
    const second = await one.claims.claim(backupAt(2));
    if (first.kind !== "ours" || second.kind !== "ours") throw new Error("both are ours");
    // The second time was left out, because the run of the first one goes on.
    second.ended();
    one.tell();
    await until(() => other.others.presenceOf(one.instance) === "there");
    expect(await other.claims.claim(backupAt(3))).toEqual({ kind: "underWay", where: one.instance });
    await nats.kill();
    first.ended();
    await nats.restart();
    await until(() => one.broker.isConnected);
    await until(async () => (await runningOf(one.broker, "backup")) === undefined);
  });

  test("planned times are kept apart from calls, and not for ever", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const { broker, claims } = await claimsOn(nats.port);
    for (let time = 0; time < 5; time++) {
      const claim = await claims.claim(backupAt(time));
      if (claim.kind === "ours") claim.ended();
    }
    const manager = await jetstreamManager(broker.connection);
    const { config, state } = await manager.streams.info("KV_iscep-schedules_world");
    expect(state.messages).toBe(5);
    expect(config.max_age).toBe((2 * limits.scheduleCatchUpMs + 86_400_000) * 1e6);
    expect((await manager.streams.info("KV_iscep_world")).state.messages).toBe(1);
  });

  test("a time that all of them have missed is told by one", async () => {
    const nats = await NatsServer.start({ jetStream: true });
    const instances = [await instanceOn(nats.port), await instanceOn(nats.port)];
    for (const { at } of instances) at(begin + 10 * minute);
    await until(() => total(instances) === 1);
    await until(() => instances.flatMap(({ errors }) => errors).length > 0);
    const missed = instances.flatMap(({ errors }) => errors);
    expect(missed).toEqual([expect.stringMatching(/^its time of 2026-05-04T01:01:00.000Z was missed/)]);
  });
});

const backupAt = (minutes: number) => ({ command: "backup", plannedMs: begin + minutes * minute, isAlone: true });

/** Asks again while it is not known, as a server does. */
async function soon({ claims }: Claiming, minutes: number): Promise<ScheduleClaim | undefined> {
  let claim: ScheduleClaim | undefined;
  await until(async () => (claim = await claims.claim(backupAt(minutes)).catch(() => undefined)) !== undefined);
  return claim;
}

async function runningOf(broker: Broker | undefined, name = "db=2eback-up=3anight"): Promise<unknown> {
  if (broker === undefined) return undefined;
  const bucket = await new Kvm(jetstream(broker.connection)).open("iscep_world", { allow_direct: false });
  const entry = await bucket.get(`schedule.${name}`).catch(() => undefined);
  return entry?.operation === "PUT" ? entry.string() : undefined;
}
