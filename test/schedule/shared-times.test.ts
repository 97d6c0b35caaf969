/** The server asks whether it starts a planned time until it gets an answer, and says so when it gets none. */
import { expect, test } from "vitest";
import { IscepError } from "iscep";
import { SharedTimes, type ScheduleClaim, type ScheduledTime } from "#iscep/schedule/shared-times";
import { watchForLeaks } from "../support/leaks.js";
import { later } from "../support/cleanup.js";

watchForLeaks();

const time: ScheduledTime = { command: "backup", plannedMs: 1_700_000_000_000, isAlone: true };
const gone = new IscepError("busy", "the broker is gone");

function asking(answers: readonly (ScheduleClaim | Error)[], askMs = 60_000) {
  const told: string[] = [];
  let asked = 0;
  const shared = new SharedTimes({
    claim: async () => {
      const answer = answers[Math.min(asked++, answers.length - 1)] ?? gone;
      if (answer instanceof Error) throw answer;
      return answer;
    },
    unknown: ({ command }, reason) => told.push(`${command}: ${reason}`),
    askMs,
    pauseMs: 1,
  });
  later(() => shared.close());
  return { shared, told, asked: () => asked };
}

test("while nobody can know, it is asked again, and the first answer counts", async () => {
  const others: ScheduleClaim = { kind: "others" };
  const { shared, told, asked } = asking([gone, gone, others]);
  expect(await shared.ask(time)).toEqual(others);
  expect([asked(), told]).toEqual([3, []]);
});

test("when nobody could know in time, that is told, and nothing is started", async () => {
  const { shared, told } = asking([gone], 20);
  expect(await shared.ask(time)).toBeUndefined();
  expect(told).toEqual(["backup: the broker is gone"]);
});

test("a server that closes starts nothing, and tells what it leaves", async () => {
  const waiting = asking([gone]);
  const asked = waiting.shared.ask(time);
  waiting.shared.close();
  expect(await asked).toBeUndefined();
  expect(waiting.told).toEqual(["backup: the broker is gone"]);
  let ended = 0;
  const late = asking([{ kind: "ours", ended: () => ended++ }]);
  const claimed = late.shared.ask(time);
  late.shared.close();
  expect(await claimed).toBeUndefined();
  expect([ended, late.told]).toEqual([1, ["backup: the server closed at that moment"]]);
});
