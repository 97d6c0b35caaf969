import { expect, onTestFinished, test, vi } from "vitest";
import { anonymous } from "#iscep/model/identity";
import { defaultLimits, defineCommand, IscepError } from "iscep";
import { packetRoom } from "#iscep/runs/run/settle";
import type { RunFollower } from "#iscep/runs/run/followers";
import { Run, type RunHost } from "#iscep/runs/run/run";
import { Work } from "#iscep/runs/run/work";

const command = defineCommand({ name: "backup", run: () => 1 });

const host: RunHost = {
  limits: defaultLimits,
  room: packetRoom(defaultLimits),
  ends: () => {},
  abandoned: () => undefined,
};

function newRun(runHost: RunHost = host): Run {
  return new Run("backup", anonymous, "127.0.0.1", runHost);
}

function follower(name: string, heard: string[]): RunFollower {
  return {
    ended: (outcome) => void heard.push(`${name} ended ${outcome.status}`),
    progress: ({ fraction }) => void heard.push(`${name} progress ${fraction}`),
    queued: (position) => void heard.push(`${name} queued ${position}`),
  };
}

test("each follower hears the latest of it, and one that has left hears nothing more", () => {
  const run = newRun();
  const heard: string[] = [];
  const [first, second, third] = ["a", "b", "c"].map((name) => follower(name, heard));
  for (const each of [first, second, third]) run.follow(each!);
  run.progress({ fraction: 0.5, message: undefined });
  run.unfollow(second!);
  run.progress({ fraction: 0.75, message: undefined });
  run.unfollow(first!);
  run.end({ status: "completed", value: undefined });
  expect(heard).toEqual(["a progress 0.5", "b progress 0.5", "c progress 0.5", "c progress 0.75", "c ended completed"]);
});

test("one who comes late is told the place in the queue, or the outcome, at once", () => {
  const run = newRun();
  const heard: string[] = [];
  run.movedInQueue(3);
  run.follow(follower("a", heard));
  run.end({ status: "completed", value: undefined });
  run.follow(follower("b", heard));
  expect(heard).toEqual(["a queued 3", "a ended completed", "b ended completed"]);
});

test("a run is abandoned when the last of its holders lets go, each counted once", () => {
  let abandoned = 0;
  const count = () => {
    abandoned++;
    return undefined;
  };
  const run = newRun({ ...host, abandoned: count });
  const [first, second] = [{}, {}];
  run.holders.hold(first);
  run.holders.hold(first);
  run.holders.hold(second);
  run.holders.release(first);
  run.holders.release(first);
  expect({ abandoned, isWanted: run.holders.wantWithout({}, false) }).toEqual({ abandoned: 0, isWanted: true });
  run.holders.release(second);
  expect({ abandoned, isWanted: run.holders.wantWithout({}, false) }).toEqual({ abandoned: 1, isWanted: false });
});

test("however often its callers come and go, one timer waits for them, and none while it is held or has ended", () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const run = newRun({ ...host, abandoned: (of) => setTimeout(() => of.abort(new IscepError("cancelled")), 1_000) });
  const [first, second] = [{}, {}];
  for (let count = 0; count < 100; count++) {
    run.holders.hold(first);
    run.holders.hold(second);
    run.holders.release(first);
    run.holders.release(second);
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(900);
  }
  run.holders.hold(first);
  expect(vi.getTimerCount()).toBe(0);
  run.holders.release(first);
  run.end({ status: "completed", value: undefined });
  expect(vi.getTimerCount()).toBe(0);
});

test("a run that joined work that is over, and waits for its slow reader, can be cancelled", () => {
  const told: string[] = [];
  const workHost = { ...host, limits: defaultLimits, unwanted: () => void told.push("unwanted") };
  const [first, joined] = [newRun(), newRun()];
  const work = new Work(first, command, {}, 60_000, workHost);
  first.work = work;
  work.begin();
  work.join(joined);
  joined.follow({ ended: ({ status }) => void told.push(status) });
  first.abort(new IscepError("cancelled"));
  const watcher = { position: 0, outputReady: () => {} };
  joined.output.watch(watcher);
  void work.write("stdout", Buffer.alloc(2 * defaultLimits.streamWindowBytes));
  void work.write("stdout", "the rest");
  work.end({ status: "completed", value: undefined });
  expect({ state: joined.state, told }).toEqual({ state: "running", told: [] });
  joined.abort(new IscepError("cancelled"));
  expect({ state: joined.state, told }).toEqual({ state: "ended", told: ["cancelled"] });
  expect(work.isSettled).toBe(true);
});
