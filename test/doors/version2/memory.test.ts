/**
 * Version 2 over a network in memory that splits, merges, delays and cuts by a seeded chance: whatever happens, answers
 * are not mixed, nothing runs twice, output and input are whole, and each run has one outcome.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, isIscepError, type RunHandle } from "iscep";
import { isStress, rounds } from "../../support/rounds.js";
import { watchForLeaks } from "../../support/leaks.js";
import { MemoryNetwork } from "../../support/memory-network.js";
import { memoryServer, type MemoryClient } from "../../support/memory-session.js";
import { patternBytes } from "../../support/output.js";

watchForLeaks();

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await turn();
}

/** Commands that count by tag how often they began. */
function countingCommands() {
  const begun = new Map<string, number>();
  const count = (tag: string): void => void begun.set(tag, (begun.get(tag) ?? 0) + 1);
  const tag = z.string();
  const commands = [
    defineCommand({
      name: "now",
      args: z.object({ tag }),
      run: (args) => {
        count(args.tag);
        return args.tag;
      },
    }),
    defineCommand({
      name: "later",
      args: z.object({ tag, turns: z.int() }),
      run: async (args) => {
        count(args.tag);
        await turns(args.turns);
        return args.tag;
      },
    }),
    defineCommand({
      name: "write",
      args: z.object({ tag, bytes: z.int(), piece: z.int() }),
      run: async ({ tag: name, bytes, piece }, { output }) => {
        count(name);
        for (let at = 0; at < bytes; at += piece) {
          await output.write(at % 2 === 0 ? "stdout" : "stderr", patternBytes(at, Math.min(piece, bytes - at)));
          if (at % 3 === 0) await turn();
        }
        return bytes;
      },
    }),
    defineCommand({
      name: "copy",
      args: z.object({ tag }),
      run: async ({ tag: name }, { stdin, output }) => {
        count(name);
        let bytes = 0;
        for await (const chunk of stdin) {
          bytes += chunk.length;
          await output.write("stdout", chunk);
        }
        return bytes;
      },
    }),
    defineCommand({
      name: "wait",
      args: z.object({ tag }),
      run: ({ tag: name }, { signal }) => {
        count(name);
        return new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        });
      },
    }),
  ];
  return { commands, begun };
}

type Step =
  | { readonly kind: "call" | "keyed" }
  | { readonly kind: "later"; readonly turns: number }
  | { readonly kind: "write" | "unread" | "copy" | "watch"; readonly bytes: number; readonly piece: number }
  | { readonly kind: "cancel"; readonly turns: number }
  | { readonly kind: "deadline" };

const bytes = fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: 12_000 }));
const piece = fc.integer({ min: 1, max: 2_000 }).map((size) => Math.max(size, 7));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant("call" as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("keyed" as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("later" as const), turns: fc.nat({ max: 20 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("write" as const, "unread", "copy", "watch"), bytes, piece }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), turns: fc.nat({ max: 30 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deadline" as const) }) },
);

interface Scene {
  readonly first: MemoryClient;
  readonly second: MemoryClient;
  readonly begun: ReadonlyMap<string, number>;
  readonly isCut: boolean;
}

/** The code of what went wrong, or what came of it. */
async function settled(work: Promise<unknown>): Promise<unknown> {
  try {
    return await work;
  } catch (error) {
    if (isIscepError(error)) return { code: error.code };
    throw error;
  }
}

/** Bytes as they came, until the output ended or failed; each chunk has to begin where the one before it ended. */
async function read(run: Pick<RunHandle, "output">): Promise<{ readonly bytes: Buffer; readonly whole: boolean }> {
  const chunks: Uint8Array[] = [];
  let at = 0;
  try {
    for await (const chunk of run.output) {
      expect(chunk.offset).toBe(at);
      at += chunk.bytes.length;
      chunks.push(chunk.bytes);
      if (at % 5 === 0) await turn();
    }
    return { bytes: Buffer.concat(chunks), whole: true };
  } catch (error) {
    if (!isIscepError(error) || error.code !== "lost") throw error;
    return { bytes: Buffer.concat(chunks), whole: false };
  }
}

async function* pieces(total: number, size: number): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < total; at += size) {
    yield patternBytes(at, Math.min(size, total - at));
    if (at % 3 === 0) await turn();
  }
}

async function expectPattern(run: RunHandle, total: number, scene: Scene): Promise<void> {
  const { bytes: got, whole } = await read(run);
  expect(got.equals(patternBytes(0, got.length))).toBe(true);
  const outcome = await run.outcome;
  if (outcome.status === "completed") {
    expect(outcome.value).toBe(total);
    expect(whole).toBe(true);
    expect(got).toHaveLength(total);
  } else {
    expect(scene.isCut).toBe(true);
    // On a busy machine a caller may come back too late: that is said, too.
    expect(outcome.status).toMatch(/^(?:lost|cancelled)$/);
  }
}

async function take(current: Step, tag: string, scene: Scene): Promise<void> {
  const { protocolClient } = scene.first;
  const lost = { code: "lost" };
  switch (current.kind) {
    case "call":
    case "later": {
      const args = current.kind === "later" ? { tag, turns: current.turns } : { tag };
      const got = await settled(protocolClient.call(current.kind === "later" ? "later" : "now", args, undefined));
      if (scene.isCut && typeof got === "object") expect([lost, { code: "cancelled" }]).toContainEqual(got);
      else {
        expect(got).toBe(tag);
        expect(scene.begun.get(tag)).toBe(1);
      }
      return;
    }
    case "keyed": {
      expect(await protocolClient.call("now", { tag }, { idempotencyKey: tag })).toBe(tag);
      expect(scene.begun.get(tag)).toBe(1);
      return;
    }
    case "write":
      await expectPattern(protocolClient.run("write", { tag, ...sizes(current) }, undefined), current.bytes, scene);
      return;
    case "unread": {
      const run = protocolClient.run("write", { tag, ...sizes(current) }, undefined);
      await run.outcome;
      await expectPattern(run, current.bytes, scene);
      return;
    }
    case "copy": {
      const stdin = pieces(current.bytes, current.piece);
      await expectPattern(protocolClient.run("copy", { tag }, { stdin }), current.bytes, scene);
      return;
    }
    case "watch": {
      const run = protocolClient.run("write", { tag, ...sizes(current) }, undefined);
      const watching = run.id.then(
        async (id) => {
          const watchers = [scene.second, scene.first].map((client) => client.protocolClient.attach(id, {}));
          await Promise.all(watchers.map((watcher) => expectPattern(watcher, current.bytes, scene)));
        },
        () => {},
      );
      await expectPattern(run, current.bytes, scene);
      await watching;
      return;
    }
    case "cancel": {
      const run = protocolClient.run("wait", { tag }, undefined);
      await turns(current.turns);
      run.cancel();
      expect((await run.outcome).status).toMatch(scene.isCut ? /^(?:cancelled|lost)$/ : /^cancelled$/);
      return;
    }
    case "deadline": {
      const run = protocolClient.run("wait", { tag }, { timeoutMs: 3 });
      expect((await run.outcome).status).toMatch(scene.isCut ? /^(?:timeout|lost|cancelled)$/ : /^timeout$/);
    }
  }
}

function sizes({ bytes: total, piece: size }: { readonly bytes: number; readonly piece: number }) {
  return { bytes: total, piece: size };
}

const limits = {
  streamWindowBytes: 2_000,
  connectionWindowBytes: 5_000,
  maxDataBytes: 700,
  maxCallsInFlight: 16,
  flushBytes: 300,
  maxRuns: 10_000,
  callerGraceMs: 50,
  reconnectMinDelayMs: 0,
  reconnectMaxDelayMs: 0,
  maxRetainedRuns: 100_000,
};

let calls = 0;

async function play(seed: number, steps: readonly Step[], cuts: readonly number[]): Promise<void> {
  const network = new MemoryNetwork({ seed, cuts });
  const { commands, begun } = countingCommands();
  // Where nothing is cut, a busy machine must not make a client give its server up.
  const server = memoryServer(network, commands, cuts.length > 0 ? limits : { ...limits, answerGraceMs: 20_000 });
  try {
    const scene = { first: server.client(), second: server.client(), begun, isCut: cuts.length > 0 };
    await Promise.all(steps.map((current, index) => take(current, `${current.kind} ${index}`, scene)));
    calls += steps.length;
    for (const [tag, count] of begun) expect(count, tag).toBe(1);
    // Windows hold, and no client broke a rule, or was told that it had.
    expect(server.refused).toEqual([]);
    for (const { code } of server.lost) expect(code).toBe("lost");
    if (!scene.isCut) expect(server.lost).toEqual([]);
    // A client whose call was lost does not come back, and its run does not go on alone.
    await expect.poll(() => server.dispatcher.activeRuns, { interval: 5 }).toBe(0);
    const ids = server.ended.map(({ runId }) => runId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toHaveLength([...begun.values()].length);
  } finally {
    await server.close();
  }
}

const seeds = fc.integer();
const plan = fc.array(step, { minLength: 60, maxLength: 180 });

describe("over a network in memory", () => {
  test("that only splits, merges and delays, every call has its own answer, and everything is whole", async () => {
    await fc.assert(
      fc.asyncProperty(seeds, plan, (seed, steps) => play(seed, steps, [])),
      { numRuns: rounds(25, 85, 1_000), endOnFailure: !isStress },
    );
  });

  test("that cuts connections as well, nothing runs twice, and no byte is lost or comes twice", async () => {
    const cuts = fc.array(fc.integer({ min: 600, max: 40_000 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(seeds, plan, cuts, (seed, steps, at) => play(seed, steps, at)),
      { numRuns: rounds(25, 85, 1_000), endOnFailure: !isStress },
    );
  });

  test("some thousand calls were made in that way", () => {
    expect(calls).toBeGreaterThan(rounds(2_500, 10_000, 100_000));
  });
});
