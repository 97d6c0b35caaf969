/**
 * A run has one outcome. Its caller over any door, who follows it, who asks later, the list of runs, the commands log, the
 * exit code of the command line, and a server that was started again tell the same, whatever ended the run.
 */
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { connect, defineCommand, type Client, type Server } from "iscep";
import { later, shared } from "../support/cleanup.js";
import { doors, endings, examplesOf, withNats, type Example } from "../support/endings.js";
import { watchForLeaks } from "../support/leaks.js";
import { NatsServer } from "../support/nats-server.js";
import { Gates, openTellers, outcomeFolder, startHere, startThere } from "../support/outcome-stage.js";
import { nameOf, Scene, type Seen } from "../support/outcome-scene.js";
import { ownPort } from "../support/own-port.js";
import { outcomeServer, values } from "../support/programs/outcome-commands.mjs";
import { rounds } from "../support/rounds.js";
import { logLines, readLogs, startServer, tokens } from "../support/servers.js";
import { facts, processOf, toldOfRecord, type Fact, type Made, type Told } from "../support/told.js";

watchForLeaks();

/** Values of 100,000 bytes are too large for a message of this broker, as they are for version 1. */
const broker = shared(async () => (withNats ? NatsServer.start({ jetStream: true, maxPayload: 65_536 }) : undefined));

/** The facts for which a door has no word. It tells all the others. */
const untold: Readonly<Record<string, readonly Fact[]>> = {
  // It has a value, or a code with a sentence. The exit code and the signal of a script are in its value.
  "version 1": ["status", "truncated", "masked"],
  // What it says of a value is made for a model.
  MCP: ["message", "value", "truncated", "masked"],
  // A process has an exit code, and its words are for people.
  "command line": facts.filter((fact) => fact !== "process"),
  "the list": ["message", "value"],
  "the commands log": ["message", "value", "truncated", "masked"],
};

/** A function that was called through these doors is not kept for later. After a restart, only its line in the log is there. */
const leavesLogOnly = new Set(["version 1", "HTTP"]);
/** They ask for all output of a run, and are told that it is gone when only the line is left. */
const asksForOutput = new Set(["MCP", "command line"]);
const scripts = new Set(["script", "accepting", "capped", "cut", "stopped", "masking", "json", "lines", "slow_script"]);

/** Each fact must be the same from all who have a word for it. Returns the facts. */
function agreed({ example, words }: Pick<Seen, "example" | "words">): Told {
  const known: Told = {};
  for (const fact of facts) {
    const telling = words.filter(({ door, told }) => fact in told && untold[door]?.includes(fact) !== true);
    // There are endings of which only the command line has told until now.
    if (fact === "process" && known.status === undefined) continue;
    if (fact === "process") known.process = processOf(known);
    else if (telling.length > 0) known[fact] = telling[0]!.told[fact];
    const differing = telling.filter(({ told }) => JSON.stringify(told[fact]) !== JSON.stringify(known[fact]));
    if (differing.length === 0) continue;
    const said = telling.map(({ door, as, told }) => `${door} (${as}): ${JSON.stringify(told[fact])?.slice(0, 200)}`);
    expect.fail(
      `${nameOf(example)}: ${fact} ${JSON.stringify(known[fact])?.slice(0, 200)} is not what all tell: ${said.join("; ")}`,
    );
  }
  return known;
}

function clientOf(server: Server): Client {
  const client = server.client({ source: "127.0.0.1", token: tokens.alice });
  later(() => client.close());
  return client;
}

/** Calls through all these doors, whose runs go on or wait when the server ends. */
async function underWay(scene: Scene, through: readonly string[], ending: string): Promise<(Seen & { made: Made })[]> {
  const begun: (Seen & { made: Made })[] = [];
  for (const door of through) {
    const example: Example = { door, ending, moment: "while it runs", any: 0, follower: 0, askers: [begun.length, 0] };
    const mark = scene.mark();
    const made = scene.teller(door).call("wait", { mark, pace: "held" });
    made.told.catch(() => {});
    begun.push({ example, mark, made, run: await scene.found("wait", mark), words: [] });
  }
  return begun;
}

/** One answer on a connection of their own is all that they get, so they hear nothing when that breaks. */
const unheard = new Set(["HTTP", "MCP", "NATS request"]);

/** Runs whose server is killed are lost for all, and the server that comes after it says so. */
async function checkKilled(): Promise<void> {
  const folder = outcomeFolder();
  const port = await ownPort();
  const first = await startThere(folder, port, broker());
  const stage = await openTellers(first, "killed", broker());
  const client = await connect(first.url, { token: tokens.alice, protocol: 2 });
  const scene = new Scene(stage, new Gates(folder), client, "k");
  const through = doors.filter((door) => door !== "in process");
  const seen = await underWay(scene, through, "the death of its server");
  const following = await Promise.all(seen.map(({ run }) => scene.teller("version 2").follow(run!)));
  await first.kill();
  const second = await startThere(folder, port, broker());
  for (const [index, one] of seen.entries()) {
    one.words.push({ door: "the example", as: "expected", told: { status: "lost", code: "lost" } });
    one.words.push({ door: "version 2", as: "follower", told: await following[index]!.told });
    if (!unheard.has(one.example.door))
      one.words.push({ door: one.example.door, as: "caller", told: await one.made.told });
    // Each door has words of its own for how it learned of it.
    for (const { told } of one.words) delete told.message;
  }
  await checkRestarted(scene, seen);
  await stage.leave();
  await client.close();
  await second.kill();
}

/** The lines of the commands log must tell the same, and one end of each run. */
function checkLog(folder: string, seen: readonly Seen[]): void {
  const lines = logLines(readLogs(path.join(folder, "logs"))).filter((line) => "runId" in line && "durationMs" in line);
  const ends = lines.filter(({ status }) => status !== "running");
  expect(new Set(ends.map(({ runId }) => runId)).size).toBe(ends.length);
  for (const one of seen) {
    const line = ends.findLast(({ runId, arguments: args }) =>
      one.run === undefined ? (args as { mark?: string } | undefined)?.mark === one.mark : runId === one.run,
    );
    // What a refused call has for arguments is not kept, so its line cannot be told from others.
    if (line !== undefined) one.words.push({ door: "the commands log", as: "line", told: toldOfRecord(line) });
    else expect(endings[one.example.ending]?.expected).toMatchObject({ status: "rejected" });
    const known = agreed(one);
    const { message } = endings[one.example.ending] ?? {};
    if (message !== undefined && "message" in known) expect(known.message).toMatch(message(one.example));
  }
}

async function checkRestarted(scene: Scene, seen: readonly Seen[]): Promise<void> {
  for (const one of seen) {
    const { door, ending } = one.example;
    const isOnlyLogged = leavesLogOnly.has(door) && !scripts.has(endings[ending]?.command ?? "wait");
    for (const words of await scene.ask(one.example, one.run)) {
      if (isOnlyLogged && asksForOutput.has(words.door)) continue;
      if (isOnlyLogged) delete words.told.message;
      one.words.push({ ...words, as: "asked after a restart" });
    }
    agreed(one);
  }
}

test(
  "all tell the same of a run, through each door and at each moment, whatever ends it",
  async () => {
    await fc.assert(
      fc.asyncProperty(examplesOf(rounds(40, 100, 150)), async (examples) => {
        const killed = checkKilled();
        killed.catch(() => {}); // this is awaited below, unless something else has failed before
        // It starts processes, which must be ended too when something else has failed.
        later(() => killed.catch(() => {}));
        const folder = outcomeFolder();
        const gates = new Gates(folder);
        const stage = await startHere(folder, broker());
        const scene = new Scene(stage, gates, clientOf(stage.server));
        const seen: Seen[] = [];
        for (const example of examples) {
          const played = await scene.play(example);
          agreed(played);
          seen.push(played);
        }
        const cut = await underWay(scene, doors, "the end of its server");
        await stage.server.close({ graceMs: 0 });
        for (const one of cut) one.words.push({ door: one.example.door, as: "caller", told: await one.made.told });
        seen.push(...cut);
        await stage.leave();
        checkLog(folder, seen);
        const next = await startHere(folder, broker());
        await checkRestarted(new Scene(next, gates, clientOf(next.server)), seen);
        await next.server.close({ graceMs: 0 });
        await next.leave();
        await killed;
      }),
      { numRuns: rounds(1, 2, 30), endOnFailure: true },
    );
  },
  rounds(120_000, 300_000, 3_600_000),
);

test("each kind of value is told over version 1 and 2, and each that JSON cannot hold is refused with its place", async () => {
  const server = outcomeServer(outcomeFolder(), {});
  later(() => server.close({ graceMs: 0 }));
  const { url } = await server.listen();
  for (const protocol of [1, 2] as const) {
    const client = await connect(url, { token: tokens.alice, protocol });
    later(() => client.close());
    for (const [kind, { refused }] of Object.entries(values)) {
      const outcome = await client.run("give", { mark: "none", pace: "later", kind }).outcome;
      expect([kind, outcome.status]).toEqual([kind, refused === undefined ? "completed" : "failed"]);
      if (refused !== undefined) expect("error" in outcome && outcome.error.message).toMatch(refused);
    }
  }
});

test("a value is what it was when the command gave it back", async () => {
  let given = { count: 1 };
  const mutates = defineCommand({ name: "mutates", run: () => (given = { count: 1 }) });
  const server = await startServer({ commands: [mutates] });
  const client = await server.client({ protocol: 2 });
  const run = client.run("mutates", {});
  expect(await run.value).toEqual({ count: 1 });
  given.count = 7;
  expect(await client.attach(await run.id).value).toEqual({ count: 1 });
});

test("a generator function as run is refused when it is defined", () => {
  const part = function* () {
    yield 1;
  };
  const parts = async function* () {
    yield 1;
  };
  expect(() => defineCommand({ name: "part", run: part })).toThrow(/run of "part" is a generator function/);
  expect(() => defineCommand({ name: "parts", run: parts })).toThrow(/run of "parts" is a generator function/);
});
