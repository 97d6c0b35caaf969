/** What a script says while it runs, and what it is told. PITFALLS D24: an output flood and a slow reader. */
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { IscepError } from "#iscep/errors";
import { defaultLimits } from "#iscep/limits/limits";
import { PacedProgress } from "#iscep/runs/run/paced-progress";
import { RunInput } from "#iscep/runs/streams/input";
import { RunOutput } from "#iscep/runs/streams/output";
import { createRunId } from "#iscep/runs/run/run-id";
import { watchForLeaks } from "../support/leaks.js";
import { node, resultOf, run, shell } from "../support/scripts.js";
import { expectGone } from "../support/processes.js";
import { appears, until } from "../support/until.js";

watchForLeaks();

const KiB = 1024;
const MiB = 1024 * KiB;

/** Someone who follows, and reads when the test says so. */
class Reader {
  readonly output: RunOutput;
  position = 0;
  readonly #pieces = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  #ready: (() => void)[] = [];

  constructor(output: RunOutput) {
    this.output = output;
    output.watch(this);
  }

  outputReady(): void {
    for (const ready of this.#ready) ready();
    this.#ready = [];
  }

  /** Reads what is there. */
  read(): void {
    for (let piece = this.#next(); piece !== undefined; piece = this.#next()) {
      this.#pieces[piece.channel].push(Buffer.from(piece.bytes));
      this.position += piece.bytes.length;
      this.output.positionChanged();
    }
  }

  #next() {
    return this.position === this.output.end ? undefined : this.output.read(this.position, 64 * KiB);
  }

  moreThan(bytes: number): Promise<void> {
    return this.output.end > bytes ? Promise.resolve() : new Promise((resolve) => this.#ready.push(resolve));
  }

  bytes(channel: "stdout" | "stderr"): Buffer {
    return Buffer.concat(this.#pieces[channel]);
  }
}

function openOutput(streamWindowBytes = 256 * KiB): RunOutput {
  return new RunOutput({ maxRetainedOutputBytes: 1 * MiB, streamWindowBytes });
}

function inputOf(...pieces: (string | Buffer)[]): RunInput {
  const input = new RunInput();
  for (const piece of pieces) input.write(Buffer.from(piece as string));
  input.end();
  return input;
}

describe("live output", () => {
  test("comes while the script runs, both channels apart and in order", async () => {
    const output = openOutput();
    const reader = new Reader(output);
    const command = shell(
      'echo "out 1"; until [ -e go1 ]; do sleep 0.01; done; echo "err 1" >&2; until [ -e go2 ]; do sleep 0.01; done; echo "out 2"',
    );
    const ended = run(command, { output });
    await reader.moreThan(0);
    writeFileSync(path.join(command.folder, "go1"), "");
    await reader.moreThan(6);
    writeFileSync(path.join(command.folder, "go2"), "");
    expect(resultOf(await ended)).toMatchObject({ stdout: "out 1\nout 2\n", stderr: "err 1\n" });
    const pieces = [];
    for (let at = 0; at < output.end;) {
      const piece = output.read(at, 1_000);
      if (piece === undefined) break;
      pieces.push([piece.channel, piece.bytes.toString()]);
      at += piece.bytes.length;
    }
    expect(pieces).toStrictEqual([
      ["stdout", "out 1\n"],
      ["stderr", "err 1\n"],
      ["stdout", "out 2\n"],
    ]);
  });

  test("bytes of every value arrive as they were, on both channels", async () => {
    const output = openOutput();
    const reader = new Reader(output);
    const outcome = await run(
      node(`
        const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, n) => (n * 7 + (n >> 8)) & 255));
        require("fs").writeSync(2, bytes.subarray(0, 256)); process.stdout.write(bytes);`),
      { output },
    );
    expect(outcome.status).toBe("completed");
    reader.read();
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, n) => (n * 7 + (n >> 8)) & 255));
    expect(reader.bytes("stdout").equals(bytes)).toBe(true);
    expect(reader.bytes("stderr").equals(bytes.subarray(0, 256))).toBe(true);
  });

  test("a slow reader pauses the script, and what waits for him stays within the window", async () => {
    const window = 64 * KiB;
    const output = openOutput(window);
    const reader = new Reader(output);
    const ended = run(
      node("const b = Buffer.alloc(1 << 16, 'x'); for (let i = 0; i < 160; i++) require('fs').writeSync(1, b);"),
      {
        output,
        limits: { maxRunOutputBytes: 10 },
      },
    );
    let furthest = 0;
    const state = { over: false };
    void ended.then(() => (state.over = true));
    while (!state.over || reader.position < output.end) {
      furthest = Math.max(furthest, output.end - reader.position);
      reader.read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(reader.position).toBe(10 * MiB);
    // Beyond the window one read of each pipe, which had begun before.
    expect(furthest).toBeLessThanOrEqual(window + 2 * 64 * KiB);
    expect(await ended).toMatchObject({ status: "completed", value: { truncated: true, stdout: "xxxxxxxxxx" } });
  });

  test("what a script says last is not lost on a reader who comes later than its end", async () => {
    const output = openOutput(1_000);
    const reader = new Reader(output);
    // A pipe may hold 64 KiB, and nobody reads it before the script has ended.
    const command = node(`
      require("fs").writeSync(1, Buffer.alloc(3_000, "a"));
      setTimeout(() => { require("fs").writeSync(1, Buffer.alloc(60_000, "b")); require("fs").writeFileSync("done", ""); }, 50);`);
    const ended = run(command, { output, limits: { pipeGraceMs: 50 } });
    await appears(path.join(command.folder, "done"));
    await sleep(300);
    reader.read();
    // The rest comes while the reader reads on.
    await reader.moreThan(3_000);
    while (reader.position < 63_000) {
      reader.read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toMatchObject({ status: "completed", exitCode: 0 });
    expect(reader.bytes("stdout").length).toBe(63_000);
  });

  test("what a script says last is not lost when the event loop was held up longer than pipes are waited for", async () => {
    const output = openOutput(1_000);
    const reader = new Reader(output);
    const command = node(`
      require("fs").writeSync(1, Buffer.alloc(3_000, "a"));
      setTimeout(() => { require("fs").writeSync(1, Buffer.alloc(60_000, "b")); require("fs").writeFileSync("done", ""); }, 50);`);
    const state = { over: false };
    const ended = run(command, { output, limits: { pipeGraceMs: 5 } }).finally(() => (state.over = true));
    await appears(path.join(command.folder, "done"));
    await sleep(300);
    while (!state.over) {
      reader.read();
      const untilMs = performance.now() + 20;
      while (performance.now() < untilMs);
      await sleep(1);
    }
    expect(await ended).toMatchObject({ status: "completed", exitCode: 0 });
    expect(output.end).toBe(63_000);
  });

  test("a reader who stands still after the script's end is waited for until the timeout, which is then told", async () => {
    const output = openOutput(1_000);
    const reader = new Reader(output);
    const outcome = await run(node('require("fs").writeSync(1, Buffer.alloc(200_000, "a"));'), {
      output,
      timeoutMs: 400,
      limits: { pipeGraceMs: 20 },
    });
    expect(outcome).toMatchObject({ status: "timeout" });
    expect(reader.output.end).toBeLessThan(200_000);
  });

  test("a reader who leaves lets the script go on", async () => {
    const output = openOutput(1_000);
    const reader = new Reader(output);
    const ended = run(node('require("fs").writeSync(1, Buffer.alloc(300_000, "a"));'), { output });
    await reader.moreThan(999);
    output.unwatch(reader);
    expect(await ended).toMatchObject({ status: "completed" });
    expect(output.end).toBe(300_000);
  });

  test("a grandchild that goes on writing to the pipes is not waited for, however slow the reader", async () => {
    const runId = createRunId();
    const output = openOutput(1_000);
    const reader = new Reader(output);
    const state = { over: false };
    const ended = run(shell("yes 0123456789 & exit 0"), { runId, output, limits: { pipeGraceMs: 50 } }).finally(
      () => (state.over = true),
    );
    while (!state.over) {
      reader.read();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await ended).toMatchObject({ status: "completed", exitCode: 0 });
    // Its pipe is closed, which ends it.
    await expectGone(runId);
  });

  test("lines of progress are told, and are no output", async () => {
    const told: unknown[] = [];
    const output = openOutput();
    const outcome = await run(
      shell(
        "echo ::progress 1 no >&1; echo before >&2; echo ::progress 0.4 packing region files >&2; echo after >&2; printf '::progress 90%%' >&2",
      ),
      { output, progress: (fraction, message) => told.push([fraction, message]) },
    );
    expect(resultOf(outcome)).toMatchObject({ stdout: "::progress 1 no\n", stderr: "before\nafter\n" });
    expect(told).toStrictEqual([
      [0.4, "packing region files"],
      [0.9, undefined],
    ]);
  });

  test("a flood of progress is told at a pace, and the last one always", async () => {
    const told: number[] = [];
    const beganMs = performance.now();
    // This tells them as a run tells its followers.
    const paced = new PacedProgress(defaultLimits, ({ fraction }) => told.push(fraction));
    const outcome = await run(
      shell("i=0; while [ $i -le 5000 ]; do echo ::progress 0.$i; i=$((i+1)); done >&2; echo ::progress 1 >&2"),
      { progress: (fraction, message) => paced.report({ fraction, message }) },
    );
    paced.end();
    expect(outcome.status).toBe("completed");
    expect(told.at(-1)).toBe(1);
    const seconds = (performance.now() - beganMs) / 1_000;
    expect(told.length).toBeLessThan(3 + (seconds * 1_000) / defaultLimits.progressIntervalMs);
  });
});

describe("standard input", () => {
  test("streams into the script, bytes of every value, and its end is the end", async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 31 + (n >> 8)) & 255));
    const output = openOutput();
    const reader = new Reader(output);
    const input = new RunInput();
    const ended = run(shell("cat"), { input, output, limits: { maxRunOutputBytes: 0 } });
    for (let at = 0; at < bytes.length; at += 10_000) {
      input.write(bytes.subarray(at, at + 10_000));
      await reader.moreThan(at);
      reader.read();
    }
    input.end();
    expect(await ended).toMatchObject({ status: "completed" });
    reader.read();
    expect(reader.bytes("stdout").equals(bytes)).toBe(true);
  });

  test("is taken no faster than the script reads it", async () => {
    const command = shell("until [ -e go ]; do sleep 0.01; done; wc -c");
    const input = new RunInput();
    let consumed = 0;
    input.onConsumed((bytes) => (consumed += bytes));
    for (let n = 0; n < 400; n++) input.write(Buffer.alloc(10_000));
    input.end();
    const ended = run(command, { input });
    let before = -1;
    while (before !== consumed) {
      before = consumed;
      await sleep(100);
    }
    expect(consumed).toBeLessThan(1 * MiB);
    writeFileSync(path.join(command.folder, "go"), "");
    expect(resultOf(await ended).stdout.trim()).toBe("4000000");
    expect(consumed).toBe(4_000_000);
  });

  test("that the script does not want is dropped quietly", async () => {
    const input = new RunInput();
    const command = shell("head -c 4; exec <&-; touch closed; until [ -e go ]; do sleep 0.01; done; exit 3");
    const ended = run(command, { input });
    input.write(Buffer.from("abcdefgh"));
    await appears(path.join(command.folder, "closed"));
    for (let n = 0; n < 50; n++) {
      input.write(Buffer.alloc(100_000));
      await new Promise((resolve) => setImmediate(resolve));
    }
    writeFileSync(path.join(command.folder, "go"), "");
    const outcome = await ended;
    expect(outcome).toMatchObject({ status: "failed", exitCode: 3, value: { stdout: "abcd", stderr: "" } });
  });

  test("that never ends does not keep the run of a script that has ended", async () => {
    const input = new RunInput();
    input.write(Buffer.from("x"));
    expect(await run(shell("exit 0"), { input })).toMatchObject({ status: "completed" });
  });

  test("that broke off is never its end: the script is stopped as cancelled", async () => {
    const runId = createRunId();
    const command = shell("cat >/dev/null; touch took-it-for-the-end");
    const input = new RunInput();
    const ended = run(command, { runId, input });
    input.write(Buffer.from("the first half of a dump"));
    await until(() => input.receivedBytes > 0, "nothing came");
    const reason = new IscepError("lost", "the connection broke");
    input.fail(reason);
    const outcome = await ended;
    expect(outcome).toMatchObject({ status: "cancelled", error: { code: "cancelled", cause: reason } });
    expect(existsSync(path.join(command.folder, "took-it-for-the-end"))).toBe(false);
    await expectGone(runId);
  });

  test("nothing is read where the caller sends none", async () => {
    expect(resultOf(await run(shell("cat; echo done"))).stdout).toBe("done\n");
    expect(resultOf(await run(shell("cat; echo done"), { input: inputOf("a", "b") })).stdout).toBe("abdone\n");
  });
});
