/** Whose output is sent at the end of a turn of the event loop. */
import { expect, test } from "vitest";
import { OutputStream, type OutputStreamHost } from "#iscep/doors/version2/output-stream";
import { OutputTurns } from "#iscep/doors/version2/output-turns";
import { defaultLimits } from "#iscep/limits/limits";
import { RunOutput } from "#iscep/runs/streams/output";
import { SendWindow } from "#iscep/session/window";

function streamsThatSend(count: number) {
  const sent: number[] = [];
  const turns = new OutputTurns();
  const output = new RunOutput(defaultLimits);
  const host: OutputStreamHost = {
    maxDataBytes: 1_000,
    connectionWindow: new SendWindow(1_000_000),
    carrier: {
      maySendOutput: () => true,
      sendOutput: (stream) => void sent.push(stream),
      cork: () => {},
      uncork: () => {},
      pumpSoon: (stream) => turns.add(stream),
    },
    sent: () => {},
    broke: () => {},
  };
  const streams = Array.from({ length: count }, (_, index) => new OutputStream(index + 1, output, 0, 1_000_000, host));
  return { sent, turns, output, host, streams };
}

test("each stream that asked sends once, in the order in which they asked", () => {
  const { sent, turns, output } = streamsThatSend(3);
  void output.write("stdout", "one");
  void output.write("stdout", "two");
  expect(sent).toEqual([]);
  turns.take();
  expect(sent).toEqual([1, 2, 3]);
  turns.take();
  expect(sent).toEqual([1, 2, 3]);
});

test("a stream that was closed before its turn sends nothing, also when another one's turn has closed it", () => {
  const { sent, turns, output, host, streams } = streamsThatSend(3);
  const [, second, third] = streams;
  void output.write("stdout", "all");
  output.close();
  third?.close();
  host.sent = ({ id }) => {
    if (id === 1) second?.close();
  };
  turns.take();
  expect(sent).toEqual([1]);
});

test("a stream that asks in its turn waits for the next one", () => {
  const { sent, turns, output, host } = streamsThatSend(1);
  void output.write("stdout", "all");
  output.close();
  let times = 0;
  host.sent = (stream) => {
    times++;
    stream.pumpSoon();
  };
  turns.take();
  expect([sent, times]).toEqual([[1], 1]);
  turns.take();
  expect([sent, times]).toEqual([[1], 2]);
});
