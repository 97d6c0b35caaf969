import { PassThrough, Writable } from "node:stream";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { defaultLimits } from "#iscep/limits/limits";
import { openTerminalLogs } from "#iscep/logs/terminal";
import { accessEvent, commandEvent, errorEvent } from "../support/log-events.js";
import { canaryToken, forbidden, hasSecret, hostileText, numRuns } from "../support/hostile-text.js";

class Screen extends Writable {
  text = "";
  readonly isTTY: boolean;

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  getColorDepth(): number {
    return 8;
  }

  override _write(chunk: unknown, _: BufferEncoding, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("logs on a terminal", () => {
  test("with debug all events, one line each", async () => {
    const screen = new Screen();
    const logs = openTerminalLogs(screen, { level: "debug" });
    logs.access({ ...accessEvent, port: 5000, tls: true });
    logs.command({ ...commandEvent, code: "failed", exitCode: 2 });
    logs.error({ ...errorEvent, connection: 1, source: "::1", error: new Error("the cause") });
    await logs.close();
    const time = String.raw`\d\d:\d\d:\d\d\.\d{3}`;
    const lines = screen.text.split("\n");
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(new RegExp(`^${time}  access   open            #1 127\\.0\\.0\\.1:5000 tls$`));
    expect(lines[1]).toMatch(
      new RegExp(`^${time}  command  completed       backup_world 1500 ms panel@127\\.0\\.0\\.1 run=`),
    );
    expect(lines[1]).toMatch(/ code=failed exit=2 \{"world":"string\(5\)","count":"number"\}$/);
    expect(lines[2]).toMatch(new RegExp(`^${time}  error    internal        #1 ::1 it broke \\(the cause\\)$`));
    expect(screen.writableEnded).toBe(false);
  });

  test("by default errors only", async () => {
    const screen = new Screen();
    const logs = openTerminalLogs(screen, { level: "normal" });
    logs.access(accessEvent);
    logs.command(commandEvent);
    logs.error(errorEvent);
    await logs.close();
    expect(screen.text).toMatch(/^\S+ {2}error {4}internal {8}it broke\n$/);
  });

  test("have colour on a terminal, and none with NO_COLOR or elsewhere", () => {
    vi.stubEnv("NO_COLOR", "");
    vi.stubEnv("FORCE_COLOR", undefined);
    vi.stubEnv("TERM", "xterm");
    const colourful = new Screen(true);
    openTerminalLogs(colourful, { level: "normal" }).error(errorEvent);
    expect(colourful.text).toContain("\u001b[31m");
    const pipe = new Screen(false);
    openTerminalLogs(pipe, { level: "normal" }).error(errorEvent);
    expect(pipe.text).not.toContain("\u001b");
    vi.stubEnv("NO_COLOR", "1");
    const plain = new Screen(true);
    openTerminalLogs(plain, { level: "normal" }).error(errorEvent);
    expect(plain.text).not.toContain("\u001b");
  });

  test(
    `${numRuns} hostile texts in every field: one line an event, nothing that steers, no token`,
    { timeout: 90_000 },
    () => {
      const screen = new Screen();
      const logs = openTerminalLogs(screen, { level: "debug" });
      fc.assert(
        fc.property(hostileText, (text) => {
          const event = {
            source: text,
            owner: text,
            runId: text,
            command: text,
            tokenId: text,
            message: text,
            event: text,
          };
          screen.text = "";
          logs.access({ ...accessEvent, source: text, owner: text, reason: text });
          logs.error({ ...event, error: new Error(`${text}!`) });
          logs.command({ ...commandEvent, ...event, code: text, signal: text, args: { [text]: text } });
          expect(screen.text.split("\n")).toHaveLength(4);
          expect(forbidden.exec(screen.text.replaceAll("\ufffd", ""))).toBeNull();
          expect(hasSecret(screen.text)).toBe(false);
        }),
        { numRuns },
      );
    },
  );

  test("a name cannot pretend to be another field", () => {
    const screen = new Screen();
    openTerminalLogs(screen, { level: "normal" }).error({
      ...errorEvent,
      owner: "x command=restart",
      command: canaryToken,
    });
    expect(screen.text).toContain('owner="x command=restart" command="isct_A1b2C3d4E5f6_…"');
  });

  test("a reader that went away or takes nothing neither crashes nor fills the memory", async () => {
    const gone = new Writable({ write: (_, __, done) => done(Object.assign(new Error("gone"), { code: "EPIPE" })) });
    const logs = openTerminalLogs(gone, { level: "normal" });
    const failed = new Promise((resolve) => gone.once("error", resolve));
    logs.error(errorEvent);
    await failed;
    logs.error(errorEvent);
    await logs.close();

    const stuck = new PassThrough();
    const limits = { ...defaultLimits, maxLogBufferBytes: 10_000 };
    const slow = openTerminalLogs(stuck, { level: "normal", limits });
    for (let line = 0; line < 10_000; line++) slow.error(errorEvent);
    expect(stuck.writableLength).toBeLessThan(50_000);
    stuck.resume();
    await slow.close();
  });

  test("an error with traps is shown without a throw", () => {
    const screen = new Screen();
    const trap = new Error("x");
    Object.defineProperty(trap, "message", {
      get() {
        throw new Error("no");
      },
    });
    openTerminalLogs(screen, { level: "normal" }).error({ ...errorEvent, error: trap });
    expect(screen.text).toContain("it broke ([unreadable])");
  });
});
