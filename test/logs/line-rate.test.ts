import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineRate } from "#iscep/logs/line-rate";
import { defaultLimits } from "#iscep/limits/limits";

describe("lines about malformed input", () => {
  test("come once an interval for a source, and tell how many were left out", () => {
    const rate = new LineRate(defaultLimits);
    expect(rate.take("a", 0)).toEqual({ suppressed: 0 });
    expect(rate.take("a", 1)).toBeUndefined();
    expect(rate.take("a", 999)).toBeUndefined();
    expect(rate.take("b", 999)).toEqual({ suppressed: 0 });
    expect(rate.take("a", 1000)).toEqual({ suppressed: 2 });
    expect(rate.take("a", 2000)).toEqual({ suppressed: 0 });
  });

  test("100,000 malformed packets within ten seconds make at most eleven lines a source", () => {
    const rate = new LineRate(defaultLimits);
    let lines = 0;
    let suppressed = 0;
    for (let packet = 0; packet < 100_000; packet++) {
      const line = rate.take("203.0.113.7", packet / 10);
      if (line === undefined) continue;
      lines += 1;
      suppressed += line.suppressed;
    }
    expect(lines).toBe(10);
    expect(suppressed + lines).toBeLessThanOrEqual(100_000);
    expect(rate.take("203.0.113.7", 20_000)?.suppressed).toBe(100_000 - lines - suppressed);
  });

  test("are bounded when the sources are more than can be remembered, and every event is told in the end", () => {
    const limits = { malformedLogIntervalMs: 1000, maxLoggedSources: 3 };
    const event = fc.record({ source: fc.integer({ min: 0, max: 20 }), afterMs: fc.integer({ min: 0, max: 400 }) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const rate = new LineRate(limits);
        const lineTimes: number[] = [];
        let nowMs = 0;
        let told = 0;
        for (const { source, afterMs } of events) {
          nowMs += afterMs;
          const line = rate.take(`s${source}`, nowMs);
          if (line === undefined) continue;
          lineTimes.push(nowMs);
          told += 1 + line.suppressed;
        }
        expect(told).toBeLessThanOrEqual(events.length);
        for (const time of lineTimes) {
          // A forgotten source may come back at once, but only in the place of another that had its turn an interval ago.
          const within = lineTimes.filter((other) => other > time - 1000 && other <= time).length;
          expect(within).toBeLessThanOrEqual(limits.maxLoggedSources + 1);
        }
      }),
    );
  });

  test("of sources that came back after they were forgotten are not mixed up with others", () => {
    const rate = new LineRate({ malformedLogIntervalMs: 1000, maxLoggedSources: 1 });
    expect(rate.take("a", 0)).toEqual({ suppressed: 0 });
    expect(rate.take("a", 10)).toBeUndefined();
    expect(rate.take("b", 20)).toEqual({ suppressed: 0 }); // the line of all others
    expect(rate.take("c", 30)).toBeUndefined();
    expect(rate.take("b", 1000)).toEqual({ suppressed: 0 }); // takes the place of a
    expect(rate.take("d", 1020)).toEqual({ suppressed: 2 }); // a's and c's, told by the others
  });
});
