import { expect, test } from "vitest";
import { IscepError, type CommandEvent, type ErrorEvent, type Logs } from "iscep";
import { countRefusals } from "#iscep/logs/counted-refusals";

const refusal: CommandEvent = {
  runId: "1",
  command: "add",
  owner: "carol",
  tokenId: "t1",
  source: "192.0.2.1",
  startedAtMs: 0,
  durationMs: 0,
  status: "rejected",
  code: "command_not_found",
  args: {},
};

function recorded(intervalMs: number, burst = 1) {
  const commands: CommandEvent[] = [];
  const errors: ErrorEvent[] = [];
  const logs: Logs = {
    access: () => {},
    error: (event) => void errors.push(event),
    command: (event) => void commands.push(event),
    commandsFile: "here",
    close: async () => {},
  };
  return {
    commands,
    errors,
    logs: countRefusals(logs, { malformedLogIntervalMs: intervalMs, maxLoggedSources: 10, refusedCallLogBurst: burst }),
  };
}

test("refusals of one caller are counted behind the first; of another caller, the first is written too", () => {
  const { commands, logs } = recorded(60_000);
  for (let count = 0; count < 100; count++) logs.command(refusal);
  logs.command({ ...refusal, tokenId: "t2" });
  logs.command({ ...refusal, source: "198.51.100.1" });
  expect(commands.map(({ tokenId, source }) => `${tokenId} ${source}`)).toEqual([
    "t1 192.0.2.1",
    "t2 192.0.2.1",
    "t1 198.51.100.1",
  ]);
});

test("the first few of a caller have lines of their own, each", () => {
  const { commands, errors, logs } = recorded(60_000, 4);
  for (let count = 0; count < 10; count++) {
    logs.command(refusal);
    logs.error({ event: "command_rejected", message: "no", source: "192.0.2.1" });
  }
  expect([commands.length, errors.length]).toEqual([4, 4]);
});

test("a line tells how many had none since the last", () => {
  const { commands, logs } = recorded(20);
  for (let count = 0; count < 5; count++) logs.command(refusal);
  const startMs = performance.now();
  while (performance.now() - startMs < 25);
  logs.command(refusal);
  expect(commands.reduce((sum, { suppressed = 0 }) => sum + 1 + suppressed, 0)).toBe(6);
  expect(commands.length).toBeLessThan(6);
});

test("what ran, and what has a line of its start, always has its line", () => {
  const { commands, logs } = recorded(60_000);
  for (let count = 0; count < 3; count++) {
    logs.command({ ...refusal, status: "completed" });
    logs.command({ ...refusal, server: "1 2 3" });
  }
  expect(commands).toHaveLength(6);
});

test("a refusal has no stack, a fault of the server's own keeps it", () => {
  const { errors, logs } = recorded(0);
  const event = { event: "command_rejected", message: "no", source: "192.0.2.1" };
  logs.error({ ...event, error: new IscepError("command_not_found") });
  logs.error({
    ...event,
    error: new IscepError("invalid_arguments", "the schema threw", { cause: new TypeError("x") }),
  });
  logs.error({ ...event, error: new TypeError("x") });
  expect(errors.map(({ error }) => error === undefined)).toEqual([true, false, false]);
  expect(logs.commandsFile).toBe("here");
});
