/** No descriptor is left for a while: what was kept of runs is kept, and read and written when there are some again. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/temporary-folder.js";

const kept = `
  import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
  import { setTimeout as pause } from "node:timers/promises";
  import { withFileLock } from "#iscep/files/file-lock";
  import { RunStore } from "#iscep/journal/store";
  import { readRunFile } from "#iscep/journal/run-file";
  import { resolveLimits } from "#iscep/limits/limits";
  import { anonymous } from "#iscep/model/identity";
  import { Run } from "#iscep/runs/run/run";
  import { packetRoom } from "#iscep/runs/run/settle";
  import { JsonText } from "#iscep/wire/json-text";

  const [folder] = process.argv.slice(1);
  const limits = resolveLimits({ maxRetainedOutputBytes: 100_000 });
  const problems = [];
  const openStore = () => RunStore.open({ folder, limits, onProblem: (message) => problems.push(message) });
  const outcome = { status: "completed", value: JsonText.of("done", limits) };
  const start = (store) => new Run("speak", { ...anonymous, owner: "alice" }, "", {
    limits, room: packetRoom(limits), ends: (run) => store.end(run, outcome), abandoned: () => undefined,
  });
  const said = {};

  const first = await openStore();
  const run = start(first);
  first.begin(run);
  await run.output.write("stdout", Buffer.alloc(1_000_000, "x"));
  run.end(outcome);
  await first.close();

  const store = await openStore();
  // The modules that it needs are loaded, and its file is measured.
  const restored = store.restore(store.get(run.id));
  const own = start(store);
  store.begin(own);
  const taken = [];
  const fill = () => { try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {} };
  const free = () => { for (const descriptor of taken.splice(0)) closeSync(descriptor); };

  fill();
  let position = 0;
  const watcher = {
    get position() { return position; },
    outputReady() {
      for (let piece; (piece = restored.output.read(position, 65_536)) !== undefined; ) position += piece.bytes.length;
    },
  };
  restored.output.watch(watcher);
  watcher.outputReady();
  await pause(50);
  said.withoutDescriptors = position;
  own.end(outcome);
  try { await openStore(); said.opened = true; } catch (error) { said.folder = error.code; }
  free();
  said.unwritten = readRunFile(folder + "/" + own.id + ".run").end === undefined;
  store.writeAgain();
  said.end = readRunFile(folder + "/" + own.id + ".run").end.status;
  while (position < 1_000_000) await pause(5);
  said.read = position;
  restored.output.unwatch(watcher);

  await withFileLock(folder + "/opening", 1_000, fill);
  free();
  said.locked = existsSync(folder + "/opening.lock");

  // A run that is read for the first time in a shortage.
  await store.close();
  const third = await openStore();
  const stored = third.get(run.id);
  fill();
  try { third.restore(stored); } catch (error) { said.restore = error.code; }
  free();
  said.value = third.restore(stored).outcome.value.text;
  await third.close();
  said.problems = problems.map((message) => message.replace(/ .*/s, ""));
  console.log(JSON.stringify(said));
  process.exit();
`;

const seenElsewhere = `
  import { closeSync, openSync } from "node:fs";
  import { RunStore } from "#iscep/journal/store";
  import { resolveLimits } from "#iscep/limits/limits";
  import { anonymous } from "#iscep/model/identity";
  import { Run } from "#iscep/runs/run/run";
  import { packetRoom } from "#iscep/runs/run/settle";
  import { JsonText } from "#iscep/wire/json-text";

  const [folder] = process.argv.slice(1);
  const taken = [];
  const fill = () => { try { for (;;) taken.push(openSync("/dev/null", "r")); } catch {} };
  const free = () => { for (const descriptor of taken.splice(0)) closeSync(descriptor); };
  const onProblem = () => undefined;
  const plain = resolveLimits();
  // The store asks for this limit after it has read the end of a run, and before it looks for its output.
  let isAsked = () => undefined;
  const limits = { ...plain, get serverLeaseMs() { isAsked(); return -1; } };
  const first = await RunStore.open({ folder, limits: plain, onProblem });
  const second = await RunStore.open({ folder, limits, onProblem });
  const outcome = { status: "completed", value: JsonText.of("done", plain) };
  const begin = async () => {
    const run = new Run("speak", { ...anonymous, owner: "alice" }, "", {
      limits: plain, room: packetRoom(plain), ends: (run) => first.end(run, outcome), abandoned: () => undefined,
    });
    first.begin(run);
    run.output.write("stdout", "some");
    return run;
  };
  const look = (run) => { try { return second.get(run.id).end?.status ?? "no end"; } catch (error) { return error.code; } };
  const said = {};

  const run = await begin();
  const other = await begin();
  await first.close();
  said.before = look(run);
  run.end(outcome);
  isAsked = fill;
  said.withoutDescriptors = look(run);
  isAsked = () => undefined;
  free();
  said.after = look(run);

  const followed = second.restore(second.get(other.id));
  followed.output.watch({ position: 4, outputReady: fill });
  other.end(outcome);
  look(other);
  free();
  said.followed = [look(other), followed.outcome?.status];
  console.log(JSON.stringify(said));
  process.exit();
`;

function withFewDescriptors(program: string): unknown {
  const { stdout, stderr } = spawnSync(
    "sh",
    ["-c", 'ulimit -n 64; exec "$0" --input-type=module -e "$1" "$2"', process.execPath, program, temporaryFolder()],
    // Node reads these certificates in a thread, which takes a descriptor and gives it back at any time.
    { encoding: "utf8", env: { ...process.env, NODE_EXTRA_CA_CERTS: undefined } },
  );
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

test("a shortage of descriptors loses nothing of what is kept", () => {
  expect(withFewDescriptors(kept)).toEqual({
    withoutDescriptors: 0,
    folder: "EMFILE",
    unwritten: true,
    end: "completed",
    read: 1_000_000,
    locked: false,
    restore: "busy",
    value: '"done"',
    problems: ["the"],
  });
});

test("a shortage in the middle of a look at the run of another server hides no end of it", () => {
  expect(withFewDescriptors(seenElsewhere)).toEqual({
    before: "no end",
    withoutDescriptors: "busy",
    after: "completed",
    followed: ["completed", "completed"],
  });
});
