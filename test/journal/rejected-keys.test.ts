/** A call that was refused after a wait did not begin, so the same call with the same key begins when it is sent again. */
import { expect, test } from "vitest";
import { defaultLimits, defineCommand, IscepError } from "iscep";
import { Registry } from "#iscep/commands/registry";
import { Dispatcher } from "#iscep/dispatcher";
import { RunStore } from "#iscep/journal/store";
import { anonymous } from "#iscep/model/identity";
import { later } from "../support/cleanup.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const alice = { ...anonymous, owner: "alice", mayRun: () => true };

async function open(folder?: string) {
  let begun = 0;
  const command = defineCommand({
    name: "backup",
    concurrency: { limit: 1 },
    run: (_, { signal }) => {
      begun++;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve("stopped")));
    },
  });
  const limits = { ...defaultLimits, killGraceMs: 0 };
  const onProblem = (message: string): void => expect.fail(message);
  const store = folder === undefined ? undefined : await RunStore.open({ folder, limits, onProblem });
  const dispatcher = new Dispatcher({ registry: new Registry([command]), limits, store });
  const close = async (): Promise<void> => {
    await dispatcher.close(0);
    await store?.close();
  };
  later(close);
  const call = (idempotencyKey: string) => dispatcher.start(alice, "backup", {}, { source: "unix", idempotencyKey });
  return { call, dispatcher, close, begun: () => begun };
}

test.each(["in memory", "in files"])("a run that is refused while it waits gives its key back (%s)", async (where) => {
  const { call, dispatcher } = await open(where === "in files" ? temporaryFolder() : undefined);
  const first = call("one");
  const waiting = call("two");
  expect(waiting.state).toBe("waiting");
  expect(call("two")).toBe(waiting);
  waiting.abort(new IscepError("busy", "the call was withdrawn before it began"));
  expect(waiting.outcome?.status).toBe("rejected");
  expect(dispatcher.find(alice, waiting.id)).toBe(waiting);
  const again = call("two");
  expect([again.id === waiting.id, again.state]).toEqual([false, "waiting"]);
  // The first one that had the key is forgotten later, and must not take the key of the second with it.
  expect(call("two")).toBe(again);
  expect(call("one")).toBe(first);
});

test("after a restart too", async () => {
  const folder = temporaryFolder();
  const before = await open(folder);
  const first = before.call("one");
  const waiting = before.call("two");
  await before.close();
  expect([first.outcome?.status, waiting.outcome?.status]).toEqual(["cancelled", "rejected"]);
  const after = await open(folder);
  expect(after.call("one").id).toBe(first.id);
  expect(after.begun()).toBe(0);
  expect(after.call("two").state).toBe("running");
  expect(after.begun()).toBe(1);
});
