import { describe, expect, test } from "vitest";
import { combineLogs, silentLogs } from "#iscep/logs/combine";
import type { Logs } from "#iscep/model/logs";
import { accessEvent, commandEvent, errorEvent } from "../support/log-events.js";

function recording(told: unknown[]): Logs {
  return {
    access: (event) => void told.push(event),
    error: (event) => void told.push(event),
    command: (event) => void told.push(event),
    async close() {
      told.push("closed");
    },
  };
}

function failing(message: string): Logs {
  const fail = (): never => {
    throw new Error(message);
  };
  return { access: fail, error: fail, command: fail, close: fail };
}

describe("combined logs", () => {
  test("tell all of them everything", async () => {
    const first: unknown[] = [];
    const second: unknown[] = [];
    const logs = combineLogs(recording(first), silentLogs, recording(second));
    logs.access(accessEvent);
    logs.error(errorEvent);
    logs.command(commandEvent);
    await logs.close();
    expect(first).toEqual([accessEvent, errorEvent, commandEvent, "closed"]);
    expect(second).toEqual(first);
  });

  test("tell the others also when one throws, and do not hide it", async () => {
    const told: unknown[] = [];
    const logs = combineLogs(failing("first"), recording(told));
    expect(() => logs.access(accessEvent)).toThrow("first");
    await expect(logs.close()).rejects.toThrow("first");
    expect(told).toEqual([accessEvent, "closed"]);
    const both = combineLogs(failing("first"), failing("second"));
    expect(() => both.command(commandEvent)).toThrow(AggregateError);
  });
});
