import { expect, test } from "vitest";
import { anonymous } from "#iscep/model/identity";
import { defaultLimits } from "iscep";
import { packetRoom } from "#iscep/runs/run/settle";
import { Run, type RunFollower, type RunHost } from "#iscep/runs/run/run";

const host: RunHost = { limits: defaultLimits, room: packetRoom(defaultLimits), ends: () => {}, abandoned: () => {} };

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
  const run = newRun({ ...host, abandoned: () => abandoned++ });
  const [first, second] = [{}, {}];
  run.hold(first);
  run.hold(first);
  run.hold(second);
  run.release(first);
  run.release(first);
  expect({ abandoned, isHeld: run.isHeld }).toEqual({ abandoned: 0, isHeld: true });
  run.release(second);
  expect({ abandoned, isHeld: run.isHeld }).toEqual({ abandoned: 1, isHeld: false });
});
