import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FairWork, type Workload } from "#iscep/doors/fair-work";

const fail = (error: unknown): never => expect.fail(String(error));
const cut = (reason: string): never => expect.fail(reason);

/** Each call of `work` takes one piece of it, as if the time were up then. */
function pieces(name: string, count: number, isStranger: boolean, done: string[]): Workload & { left: number } {
  return {
    left: count,
    isStranger,
    cut,
    work() {
      this.left--;
      done.push(name);
      return this.left > 0;
    },
  };
}

test("nobody gets a second slice while another one waits for the first", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ count: fc.integer({ min: 1, max: 20 }), isStranger: fc.boolean() }), { maxLength: 12 }),
      async (peers) => {
        const fair = new FairWork(1, fail);
        const done: string[] = [];
        const loads = peers.map(({ count, isStranger }, index) => pieces(String(index), count, isStranger, done));
        for (const load of loads) fair.offer(load);
        while (loads.some(({ left }) => left > 0)) await turn();
        expect(done).toHaveLength(peers.reduce((sum, { count }) => sum + count, 0));
        for (const isStranger of [false, true]) {
          const names = peers.flatMap((peer, index) => (peer.isStranger === isStranger ? [String(index)] : []));
          const order = done.filter((name) => names.includes(name));
          // Before anyone has one more, all others that have as many have had theirs. A stranger may come when the queue waits.
          const ahead = isStranger ? 2 : 1;
          const rounds = new Map<string, number>();
          for (const name of order) {
            const round = (rounds.get(name) ?? 0) + 1;
            rounds.set(name, round);
            for (const other of names) {
              const theirs = peers[Number(other)]!.count;
              expect(rounds.get(other) ?? 0).toBeGreaterThanOrEqual(Math.min(theirs, round - ahead));
            }
          }
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("who has much to do leaves the turn to others, and who comes with little is served at once", async () => {
  const fair = new FairWork(1, fail);
  const done: string[] = [];
  const busy: Workload = {
    isStranger: false,
    cut,
    work: (_nowMs, untilMs) => {
      while (performance.now() < untilMs);
      done.push("busy");
      return done.length < 50;
    },
  };
  expect(fair.offer(busy)).toBe(false);
  for (let count = 0; count < 5; count++) {
    const before = done.length;
    expect(fair.offer(pieces("honest", 1, false, done))).toBe(true);
    expect(done.slice(before)).toEqual(["honest"]);
    await turn();
    // One slice fills its turn.
    expect(done.slice(before + 1).length).toBeLessThanOrEqual(1);
  }
  while (done.length < 50) await turn();
});

test("all strangers together have one slice a turn", async () => {
  const fair = new FairWork(1, fail);
  const done: string[] = [];
  const stranger = (name: string): Workload => ({
    isStranger: true,
    cut,
    work: (_nowMs, untilMs) => {
      while (performance.now() < untilMs);
      done.push(name);
      return false;
    },
  });
  const offered = Array.from({ length: 20 }, (_, index) => fair.offer(stranger(String(index))));
  // The first one took all the time that there was; the others wait, in their order.
  expect(offered).toEqual([true, ...Array.from({ length: 19 }, () => false)]);
  expect(done).toEqual(["0"]);
  await turn();
  expect(done).toEqual(["0", "1"]);
  while (done.length < 20) await turn();
  expect(done).toEqual(Array.from({ length: 20 }, (_, index) => String(index)));
});

test("work that throws ends alone, at once or in its turn, and all others are served to their end", async () => {
  const failures: unknown[] = [];
  const fair = new FairWork(1, (error) => failures.push(error));
  const done: string[] = [];
  const cuts: string[] = [];
  const throwing = (name: string, isStranger: boolean, slices: number): Workload => {
    let left = slices;
    return {
      isStranger,
      work: () => {
        if (left-- > 0) return true;
        throw new Error(name);
      },
      cut: (reason) => void cuts.push(`${name}: ${reason}`),
    };
  };
  const loads = [pieces("a", 3, false, done), pieces("b", 3, false, done), pieces("c", 3, true, done)];
  expect(fair.offer(throwing("at once", false, 0))).toBe(true);
  fair.offer(throwing("in its turn", false, 1));
  fair.offer(throwing("stranger", true, 1));
  for (const load of loads) fair.offer(load);
  while (loads.some(({ left }) => left > 0)) await turn();
  await turn();
  expect(done.toSorted()).toEqual(["a", "a", "a", "b", "b", "b", "c", "c", "c"]);
  const names = ["at once", "in its turn", "stranger"];
  expect(failures.map((error) => (error as Error).message).toSorted()).toEqual(names);
  expect(cuts.toSorted()).toEqual(names.map((name) => `${name}: a fault in the server`));
});
