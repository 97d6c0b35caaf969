import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FairWork, type Workload } from "#iscep/doors/fair-work";

/** Each call of `work` takes one piece of it, as if the time were up then. */
function pieces(name: string, count: number, isStranger: boolean, done: string[]): Workload & { left: number } {
  return {
    left: count,
    isStranger,
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
        const fair = new FairWork(1);
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
  const fair = new FairWork(1);
  const done: string[] = [];
  const busy: Workload = {
    isStranger: false,
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
  const fair = new FairWork(1);
  const done: string[] = [];
  const stranger = (name: string): Workload => ({
    isStranger: true,
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
