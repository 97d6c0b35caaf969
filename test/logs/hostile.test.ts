import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openLogFiles } from "#iscep/logs/files";
import type { Logs } from "#iscep/model/logs";
import { defaultLimits } from "#iscep/limits/limits";
import { accessEvent, commandEvent, errorEvent } from "../support/log-events.js";
import { linesOf } from "../support/log-files.js";
import { canaryHex, canaryToken, forbidden, hasSecret, hostileText, numRuns } from "../support/hostile-text.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const fields: Record<string, (logs: Logs, text: string) => void> = {
  "access.source": (logs, source) => logs.access({ ...accessEvent, source }),
  "access.reason": (logs, reason) => logs.access({ ...accessEvent, reason }),
  "access.owner": (logs, owner) => logs.access({ ...accessEvent, owner }),
  "error.event": (logs, event) => logs.error({ ...errorEvent, event }),
  "error.message": (logs, message) => logs.error({ ...errorEvent, message }),
  "error.source": (logs, source) => logs.error({ ...errorEvent, source }),
  "error.owner": (logs, owner) => logs.error({ ...errorEvent, owner }),
  "error.tokenId": (logs, tokenId) => logs.error({ ...errorEvent, tokenId }),
  "error.command": (logs, command) => logs.error({ ...errorEvent, command }),
  "error.runId": (logs, runId) => logs.error({ ...errorEvent, runId }),
  "error.error": (logs, text) =>
    logs.error({ ...errorEvent, error: Object.assign(new Error(text, { cause: text }), { code: text }) }),
  "commands.runId": (logs, runId) => logs.command({ ...commandEvent, runId }),
  "commands.command": (logs, command) => logs.command({ ...commandEvent, command }),
  "commands.owner": (logs, owner) => logs.command({ ...commandEvent, owner }),
  "commands.tokenId": (logs, tokenId) => logs.command({ ...commandEvent, tokenId }),
  "commands.source": (logs, source) => logs.command({ ...commandEvent, source }),
  "commands.code": (logs, code) => logs.command({ ...commandEvent, code }),
  "commands.signal": (logs, signal) => logs.command({ ...commandEvent, signal }),
  "commands.args, a name": (logs, name) => logs.command({ ...commandEvent, args: { [name]: 1, other: 2 } }),
  "commands.args, a value": (logs, value) => logs.command({ ...commandEvent, args: { value } }),
};

describe(`${numRuns} hostile texts in a field`, () => {
  for (const [field, log] of Object.entries(fields)) {
    test(
      `${field}: as many lines as events, each JSON, nothing that steers, no token`,
      { timeout: 60_000 },
      async () => {
        const folder = temporaryFolder();
        const limits = { ...defaultLimits, maxLogBufferBytes: 1024 ** 3 };
        const logs = await openLogFiles(folder, { limits });
        let events = 0;
        fc.assert(
          fc.property(hostileText, (text) => {
            log(logs, text);
            events += 1;
          }),
          { numRuns },
        );
        await logs.close();
        const path = join(folder, `${field.split(".")[0] ?? ""}.log`);
        const lines = linesOf(path);
        expect(lines).toHaveLength(events);
        expect(lines.every((line) => typeof line["time"] === "string")).toBe(true);
        const text = readFileSync(path, "utf8");
        expect(forbidden.exec(text.replaceAll("\ufffd", ""))).toBeNull();
        expect(hasSecret(text)).toBe(false);
      },
    );
  }
});

describe("what a line holds", () => {
  test("access.log, error.log and commands.log have the fields of their events", async () => {
    const folder = temporaryFolder();
    const logs = await openLogFiles(folder, { limits: defaultLimits });
    logs.access({
      event: "close",
      connection: 7,
      source: "::1",
      port: 5,
      tls: true,
      durationMs: 12.5,
      packets: 3,
      owner: "panel",
    });
    logs.error({ ...errorEvent, connection: 7, command: "c", runId: "r", error: new Error("why") });
    logs.command(commandEvent);
    logs.command({ ...commandEvent, tokenId: null, status: "failed", code: "failed", exitCode: 3, signal: "SIGTERM" });
    await logs.close();
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(linesOf(join(folder, "access.log"))).toEqual([
      {
        time,
        event: "close",
        connection: 7,
        source: "::1",
        port: 5,
        tls: true,
        durationMs: 12.5,
        packets: 3,
        owner: "panel",
      },
    ]);
    expect(linesOf(join(folder, "error.log"))).toMatchObject([
      {
        time,
        event: "internal",
        message: "it broke",
        connection: 7,
        command: "c",
        runId: "r",
        error: { message: "why" },
      },
    ]);
    const command = {
      time: "2026-08-01T12:00:01.500Z",
      start: "2026-08-01T12:00:00.000Z",
      runId: commandEvent.runId,
      command: "backup_world",
      owner: "panel",
      tokenId: "abcdefghijkl",
      source: "127.0.0.1",
      args: { world: "string(5)", count: "number" },
      durationMs: 1500,
      status: "completed",
    };
    expect(linesOf(join(folder, "commands.log"))).toEqual([
      command,
      { ...command, tokenId: null, status: "failed", code: "failed", exitCode: 3, signal: "SIGTERM" },
    ]);
  });

  test("a value of an argument never gets into a log, and a token in a stack neither", async () => {
    const folder = temporaryFolder();
    const logs = await openLogFiles(folder, { limits: defaultLimits });
    const secret = "correct horse battery staple";
    logs.command({ ...commandEvent, args: { password: secret, nested: { password: secret }, list: [secret] } });
    const error = new Error(`refused ${canaryToken}`, { cause: new Error(`old ${canaryHex}`) });
    logs.error({ ...errorEvent, message: error.message, error });
    await logs.close();
    for (const name of ["access.log", "error.log", "commands.log"]) {
      const text = readFileSync(join(folder, name), "utf8");
      expect(text.includes(secret)).toBe(false);
      expect(hasSecret(text)).toBe(false);
    }
  });
});
