import { expect, test } from "vitest";
import { UnsentBytes, WriteWindow } from "#iscep/doors/write-window";
import type { ByteStream } from "#iscep/transport/byte-stream";

function socket(): { writableLength: number; writableHighWaterMark: number; destroyed: boolean } & ByteStream {
  const state = { writableLength: 0, writableHighWaterMark: 16, destroyed: false };
  return state as typeof state & ByteStream;
}

const limits = { maxPendingWriteBytes: 100 };

test("output closes a smaller window than answers do", () => {
  const one = socket();
  const window = new WriteWindow(one, limits, new UnsentBytes({ maxServerPendingWriteBytes: 10_000 }));
  const states = [0, 99, 100, 199, 200, 10_000].map((bytes) => {
    one.writableLength = bytes;
    return [bytes, window.isOpenForOutput, window.isOpen];
  });
  expect(states).toEqual([
    [0, true, true],
    [99, true, true],
    [100, false, true],
    [199, false, true],
    [200, false, false],
    [10_000, false, false],
  ]);
  one.writableLength = 0;
  one.destroyed = true;
  expect([window.isOpenForOutput, window.isOpen]).toEqual([false, false]);
});

test("when the server holds too much, only those that have read get more, until others have", () => {
  const all = new UnsentBytes({ maxServerPendingWriteBytes: 150 });
  const [greedy, slow, honest] = [socket(), socket(), socket()];
  const [greedyWindow, slowWindow, honestWindow] = [greedy, slow, honest].map(
    (one) => new WriteWindow(one, limits, all),
  );
  greedy.writableLength = 140;
  slow.writableLength = 60;
  honest.writableLength = 15;
  expect([greedyWindow?.isOpen, slowWindow?.isOpen, honestWindow?.isOpen]).toEqual([true, false, true]);
  expect(greedyWindow?.isOpen).toBe(false);
  slow.writableLength = 0;
  expect([slowWindow?.isOpen, greedyWindow?.isOpen]).toEqual([true, true]);
  slow.writableLength = 80;
  expect([slowWindow?.isOpen, greedyWindow?.isOpen]).toEqual([false, false]);
  greedyWindow?.release();
  greedy.writableLength = 0;
  expect(slowWindow?.isOpen).toBe(true);
});
