import { expect, test } from "vitest";
import { IscepError, type AccessEvent, type CommandEvent, type ErrorEvent, type Logs } from "iscep";
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
  const access: AccessEvent[] = [];
  const logs: Logs = {
    access: (event) => void access.push(event),
    error: (event) => void errors.push(event),
    command: (event) => void commands.push(event),
    commandsFile: "here",
    close: async () => {},
  };
  return {
    access,
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

test("connections without a token are counted by their address, those that showed one are all written", () => {
  const { access, logs } = recorded(60_000, 2);
  for (let connection = 1; connection <= 20; connection++) {
    const source = connection === 20 ? "198.51.100.1" : "192.0.2.1";
    logs.access({ event: "open", connection, source });
    logs.access({ event: "close", connection, source, ...(connection === 10 ? { owner: "ada" } : {}) });
    if (connection === 15) logs.access({ event: "refused", connection: 0, source });
  }
  expect(access.map(({ event, connection }) => `${event} ${connection}`)).toEqual([
    "open 1",
    "close 1",
    "open 2",
    "close 2",
    "close 10",
    "refused 0",
    "open 20",
    "close 20",
  ]);
});

test("the line of a connection tells how many had none since the last", () => {
  const { access, logs } = recorded(1);
  const open = (): void => logs.access({ event: "open", connection: 1, source: "unix" });
  for (let count = 0; count < 5; count++) open();
  const startMs = performance.now();
  while (performance.now() - startMs < 2);
  open();
  expect(access.reduce((sum, { suppressed = 0 }) => sum + 1 + suppressed, 0)).toBe(6);
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
