import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import { earlyDropProbability } from "#iscep/identity/early-drop";
import { Penalties } from "#iscep/identity/penalties";
import { cidrProblem, compileCidrs, sourceKey } from "#iscep/identity/source";

const source = "192.0.2.1";

describe("penalties", () => {
  test("three mistakes are free, the fourth closes the door until all is forgiven", () => {
    const penalties = new Penalties(defaultLimits);
    for (let count = 0; count < 3; count++) penalties.fail(source, 1_000);
    expect(penalties.isRefused(source, 1_000)).toBe(false);
    penalties.fail(source, 1_000);
    expect(penalties.isRefused(source, 1_000)).toBe(true);
    expect(penalties.isRefused(source, 20_999)).toBe(true);
    expect(penalties.isRefused(source, 21_000)).toBe(false);
    penalties.fail(source, 21_000);
    expect(penalties.isRefused(source, 21_000)).toBe(false);
  });

  test("decay: a mistake every five seconds never adds up", () => {
    const penalties = new Penalties(defaultLimits);
    for (let nowMs = 0; nowMs < 1_000_000; nowMs += 5_000) {
      penalties.fail(source, nowMs);
      expect(penalties.isRefused(source, nowMs)).toBe(false);
    }
  });

  test("never last longer than maxPenaltyMs", () => {
    const penalties = new Penalties(defaultLimits);
    for (let count = 0; count < 10_000; count++) penalties.fail(source, 0);
    expect(penalties.isRefused(source, 599_999)).toBe(true);
    expect(penalties.isRefused(source, 600_000)).toBe(false);
  });

  test("count other sources apart, and IPv6 by /64", () => {
    const penalties = new Penalties(defaultLimits);
    for (let count = 0; count < 4; count++) penalties.fail(`2001:db8:1:2::${count}`, 0);
    expect(penalties.isRefused("2001:db8:1:2:ffff::1", 0)).toBe(true);
    expect(penalties.isRefused("2001:db8:1:3::1", 0)).toBe(false);
    expect(penalties.isRefused(source, 0)).toBe(false);
    for (let count = 0; count < 4; count++) penalties.fail("::ffff:192.0.2.1", 0);
    expect(penalties.isRefused(source, 0)).toBe(true);
    expect(penalties.size).toBe(2);
  });

  test("remember a bounded number of sources, and forget the least", () => {
    const penalties = new Penalties({ ...defaultLimits, maxPenalisedSources: 100 });
    for (let count = 0; count < 20; count++) penalties.fail(source, 0);
    for (let index = 0; index < 5_000; index++) penalties.fail(`10.0.${index >> 8}.${index & 255}`, 0);
    expect(penalties.size).toBe(100);
    expect(penalties.isRefused(source, 0)).toBe(true);
  });

  test("a full memory of decayed sources is emptied at once", () => {
    const penalties = new Penalties({ ...defaultLimits, maxPenalisedSources: 100 });
    for (let index = 0; index < 100; index++) penalties.fail(`10.0.0.${index}`, index * 5_000);
    penalties.fail(source, 10_000_000);
    expect(penalties.size).toBe(1);
  });

  test("with limits of 0 do nothing", () => {
    for (const limits of [{ penaltyMs: 0 }, { maxPenalisedSources: 0 }]) {
      const penalties = new Penalties({ ...defaultLimits, ...limits });
      for (let count = 0; count < 10; count++) penalties.fail(source, 0);
      expect(penalties.isRefused(source, 0)).toBe(false);
    }
  });

  test("agree with the plain sum, whatever order and times", () => {
    const failure = fc.record({ source: fc.nat(3), afterMs: fc.nat(12_000) });
    fc.assert(
      fc.property(fc.array(failure, { maxLength: 60 }), (failures) => {
        const penalties = new Penalties(defaultLimits);
        const model = new Map<number, { untilMs: number; refused: boolean }>();
        let nowMs = 0;
        for (const { source: number, afterMs } of failures) {
          nowMs += afterMs;
          const old = model.get(number) ?? { untilMs: 0, refused: false };
          const alive = old.untilMs > nowMs;
          const untilMs = Math.min((alive ? old.untilMs : nowMs) + 5_000, nowMs + 600_000);
          model.set(number, { untilMs, refused: (alive && old.refused) || untilMs - nowMs > 15_000 });
          penalties.fail(`10.0.0.${number}`, nowMs);
          for (const [other, { untilMs: endMs, refused }] of model) {
            expect(penalties.isRefused(`10.0.0.${other}`, nowMs)).toBe(refused && endMs > nowMs);
          }
        }
      }),
    );
  });
});

describe("sources", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:0DB8:0:0:1:2:3:4", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["unix", "unix"],
  ])("%s is counted as %s", (address, key) => expect(sourceKey(address)).toBe(key));

  test("are in networks or not", () => {
    const inside = compileCidrs(["10.0.0.0/8", "2001:db8::/32", "192.0.2.1"]);
    expect(["10.1.2.3", "::ffff:10.1.2.3", "2001:db8:9::1", "192.0.2.1"].map(inside)).toEqual([true, true, true, true]);
    expect(["11.0.0.1", "2001:db9::1", "192.0.2.2", "unix", ""].map(inside)).toEqual(Array(5).fill(false));
    expect(compileCidrs([])("10.0.0.1")).toBe(false);
  });

  test.each(["", "10.0.0.0/33", "::1/129", "10.0.0/8", "host", "10.0.0.0/", "10.0.0.0/8/8"])(
    "%j is no network",
    (cidr) => {
      expect(cidrProblem(cidr)).toMatch(/network/);
    },
  );
});

describe("random early drop", () => {
  test.each([
    [0, 0],
    [127, 0],
    [128, 0.3],
    [320, 0.65],
    [511, 0.998],
    [512, 1],
    [100_000, 1],
  ])("at %i unauthenticated connections: %f", (count, probability) => {
    expect(earlyDropProbability(count, defaultLimits)).toBeCloseTo(probability, 3);
  });

  test("is a probability and never falls, whatever the limits", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000),
        fc.nat(1_000),
        fc.nat(1_200),
        (earlyDropStart, maxUnauthenticatedConnections, count) => {
          const limits = { earlyDropStart, maxUnauthenticatedConnections };
          const here = earlyDropProbability(count, limits);
          expect(here).toBeGreaterThanOrEqual(0);
          expect(here).toBeLessThanOrEqual(1);
          expect(earlyDropProbability(count + 1, limits)).toBeGreaterThanOrEqual(here);
        },
      ),
    );
  });
});
