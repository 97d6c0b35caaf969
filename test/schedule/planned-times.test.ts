/** What is due, by a clock that the tests set: no planned time is lost or doubled by restarts or by the clock. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommandSchedule } from "#iscep/model/command";
import { compileSchedule } from "#iscep/commands/schedule";
import { lookAtSchedule, type ScheduleState } from "#iscep/schedule/planned-times";
import { rounds } from "../support/rounds.js";

const minute = 60_000;
const hour = 60 * minute;
const windowMs = hour;
const begin = Date.parse("2026-01-01T00:00:00Z");

function every(periodMs: number): CommandSchedule {
  return {
    cron: `every ${periodMs}`,
    timeZone: "UTC",
    args: {},
    once: true,
    next: (afterMs) => (Math.floor(afterMs / periodMs) + 1) * periodMs,
  };
}

function daily(hourOfDay: number): CommandSchedule {
  return compileSchedule("daily", { cron: `0 ${hourOfDay} * * *`, timeZone: "UTC" }, (args) => ({ ok: true, args }));
}

/** A server as time goes by: it looks, keeps what it has to keep, and starts. */
function server(schedule: CommandSchedule, lookEveryMs = minute / 2) {
  const started: number[] = [];
  const missed: number[] = [];
  let clock = begin;
  let kept: ScheduleState | undefined;
  let state: ScheduleState | undefined;
  let isUp = true;
  const look = () => {
    const result = lookAtSchedule(schedule, state, clock, windowMs);
    state = result.state;
    if (result.hasNews) kept = state;
    if (result.missedMs !== undefined) missed.push(result.missedMs);
    if (result.plannedMs === undefined) return;
    expect(result.plannedMs).toBeLessThanOrEqual(clock);
    expect(result.hasNews).toBe(true);
    started.push(result.plannedMs);
  };
  look();
  return {
    started,
    missed,
    get clock() {
      return clock;
    },
    wait(durationMs: number) {
      for (let left = durationMs; left > 0; left -= lookEveryMs) {
        clock += Math.min(left, lookEveryMs);
        if (isUp) look();
      }
    },
    set(byMs: number) {
      clock += byMs;
      if (isUp) look();
    },
    kill() {
      isUp = false;
    },
    start() {
      isUp = true;
      state = kept;
      look();
    },
  };
}

const at = (...times: string[]) => times.map((time) => Date.parse(`2026-01-${time}Z`));

describe("each planned time is started once, and", () => {
  test("in time, where nothing happens", () => {
    const { wait, started, missed } = server(daily(3));
    wait(3 * 24 * hour);
    expect(started).toEqual(at("01T03:00", "02T03:00", "03T03:00"));
    expect(missed).toEqual([]);
  });

  test("a schedule begins when it is first seen, and anew when it was changed", () => {
    const first = lookAtSchedule(every(hour), undefined, begin + 5 * hour + 1, windowMs);
    expect(first).toEqual({
      state: { pattern: `every ${hour} UTC`, seenMs: begin + 5 * hour + 1, started: [] },
      hasNews: true,
    });
    const changed = lookAtSchedule(every(minute), first.state, begin + 9 * hour, windowMs);
    expect(changed).toMatchObject({ state: { seenMs: begin + 9 * hour, started: [] }, hasNews: true });
    expect(changed.plannedMs).toBeUndefined();
  });

  test("one that was missed by a restart is made up for within the window, and only once", () => {
    const { wait, kill, start, started, missed } = server(daily(3));
    wait(2.5 * hour);
    kill();
    wait(hour);
    start();
    expect(started).toEqual(at("01T03:00"));
    kill();
    start();
    wait(2 * hour);
    expect(started).toHaveLength(1);
    expect(missed).toEqual([]);
  });

  test("one that was missed for longer is given up, and told once", () => {
    const { wait, kill, start, started, missed } = server(daily(3));
    wait(hour);
    kill();
    wait(4 * hour);
    start();
    kill();
    start();
    expect([started, missed]).toEqual([[], at("01T03:00")]);
    wait(24 * hour);
    expect(started).toEqual(at("02T03:00"));
  });

  test("of several that were missed the last is started, and the first of the others told", () => {
    const { wait, kill, start, started, missed } = server(every(10 * minute));
    wait(5 * minute);
    kill();
    wait(3 * hour);
    start();
    expect(started).toEqual([begin + 3 * hour]);
    expect(missed).toEqual([begin + 10 * minute]);
  });

  test("none is started again when the clock is set back, and what comes after it is", () => {
    const { wait, set, started } = server(every(10 * minute));
    wait(hour);
    set(-35 * minute);
    wait(hour);
    const all = Array.from({ length: 8 }, (_, index) => begin + (index + 1) * 10 * minute);
    expect(started).toEqual(all);
  });

  test("a clock that was wrong by a year for a moment neither stops it nor doubles anything", () => {
    const year = 365 * 24 * hour;
    const { wait, set, kill, start, started } = server(every(hour));
    wait(2 * hour);
    set(year);
    set(-year);
    kill();
    start();
    wait(2 * hour);
    const hours = [1, 2, 3, 4].map((count) => begin + count * hour);
    expect(started.filter((time) => time < begin + year)).toEqual(hours);
    expect(started).toHaveLength(5);
  });

  test("a restart does not forget that the clock was set back", () => {
    const { wait, set, kill, start, started } = server(every(hour));
    wait(2.5 * hour);
    set(365 * 24 * hour);
    set(-365 * 24 * hour);
    kill();
    wait(hour);
    start();
    expect(started.at(-1)).toBe(begin + 3 * hour);
  });

  test("one that is as long ago as the window is still made up for, and a moment later no more", () => {
    for (const [lateMs, count] of [
      [windowMs, 1],
      [windowMs + 1, 0],
    ] as const) {
      const { wait, kill, start, started } = server(daily(3));
      wait(hour);
      kill();
      wait(2 * hour + lateMs);
      start();
      expect(started).toHaveLength(count);
    }
  });

  test("a clock that is set forward over several starts the last alone", () => {
    const { wait, set, started } = server(every(10 * minute));
    wait(5 * minute);
    set(45 * minute);
    wait(minute);
    expect(started).toEqual([begin + 50 * minute]);
  });
});

describe("whatever happens", () => {
  const period = fc.constantFrom(minute, 7 * minute, hour);
  const duration = fc.integer({ min: 1, max: 3 * hour });

  test("nothing is lost where restarts are quick, and of a long pause the last, within the window", () => {
    const step = fc.record({ upMs: duration, downMs: fc.option(duration, { nil: 0 }) });
    fc.assert(
      fc.property(period, fc.array(step, { maxLength: 8 }), (periodMs, steps) => {
        const { next } = every(periodMs);
        const it = server(every(periodMs));
        const expected: number[] = [];
        for (const { upMs, downMs } of steps) {
          const untilMs = it.clock + upMs;
          for (let planned = next(it.clock) ?? 0; planned <= untilMs; planned = next(planned) ?? 0)
            expected.push(planned);
          it.wait(upMs);
          if (downMs === 0) continue;
          const downFrom = it.clock;
          it.kill();
          it.wait(downMs);
          it.start();
          const last = Math.floor(it.clock / periodMs) * periodMs;
          if (last > downFrom && last >= it.clock - windowMs) expected.push(last);
        }
        expect(it.started).toEqual(expected);
      }),
      { numRuns: rounds(50, 200, 2_000) },
    );
  });

  test("nothing is started twice, and once all is quiet nothing is left out", () => {
    const step = fc.oneof(
      fc.record({ wait: duration }),
      fc.record({ set: fc.integer({ min: -5 * hour, max: 5 * hour }) }),
      fc.record({ down: fc.integer({ min: 0, max: 3 * hour }) }),
    );
    fc.assert(
      fc.property(period, fc.array(step, { maxLength: 9 }), (periodMs, steps) => {
        const { next } = every(periodMs);
        const it = server(every(periodMs));
        let jumps = 0;
        for (const given of steps) {
          if ("wait" in given) it.wait(given.wait);
          else if ("down" in given) {
            it.kill();
            it.wait(given.down);
            it.start();
          } else if (jumps++ < 4) it.set(given.set);
        }
        const quietFrom = it.clock;
        const before = new Set(it.started);
        it.wait(6 * hour);
        expect(it.started).toHaveLength(new Set(it.started).size);
        for (let planned = next(quietFrom) ?? 0; planned <= it.clock; planned = next(planned) ?? 0) {
          expect(before.has(planned) || it.started.includes(planned)).toBe(true);
        }
      }),
      { numRuns: rounds(50, 200, 2_000) },
    );
  });

  test("a server that was down for years looks at no more than its window", () => {
    let asked = 0;
    const schedule = every(minute);
    const counting = { ...schedule, next: (afterMs: number) => (asked++, schedule.next(afterMs)) };
    const { state } = lookAtSchedule(counting, undefined, begin, windowMs);
    lookAtSchedule(counting, state, begin + 10 * 365 * 24 * hour, windowMs);
    expect(asked).toBeLessThan(100);
  });
});
