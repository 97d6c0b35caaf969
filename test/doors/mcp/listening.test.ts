/** The stream of changes ends once, whichever side ends it, and nothing else ends with it. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { whileGood } from "#iscep/doors/mcp/listening";
import { watchForLeaks } from "../../support/leaks.js";

watchForLeaks();

interface Source {
  readonly response: Response;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly state: { good: boolean; cancelled: number };
}

function source(): Source {
  const state = { good: true, cancelled: 0 };
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void state.cancelled++,
  });
  if (controller === undefined) throw new Error("a stream starts at once");
  return { response: whileGood(new Response(stream), async () => state.good, 1), controller, state };
}

async function textOf({ response }: Source): Promise<string> {
  return response.text();
}

test("it passes on what comes, and ends with its source", async () => {
  const one = source();
  one.controller.enqueue(Buffer.from("one "));
  one.controller.enqueue(Buffer.from("two"));
  one.controller.close();
  expect(await textOf(one)).toBe("one two");
});

test("it ends, and its source too, when nothing comes and the token is no longer good", async () => {
  const one = source();
  const text = textOf(one);
  one.state.good = false;
  expect(await text).toBe("");
  expect(one.state.cancelled).toBe(1);
});

test("a source that fails fails the stream alone, whatever becomes of the token", async () => {
  const one = source();
  const text = textOf(one);
  one.controller.error(new Error("the source has failed"));
  await expect(text).rejects.toThrow("the source has failed");
  one.state.good = false;
  await sleep(10);
  expect(one.state.cancelled).toBe(0);
});

test("a reader that goes away ends the source", async () => {
  const one = source();
  await one.response.body?.cancel();
  expect(one.state.cancelled).toBe(1);
  one.state.good = false;
  await sleep(10);
  expect(one.state.cancelled).toBe(1);
});
