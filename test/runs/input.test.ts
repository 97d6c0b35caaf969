import { expect, test } from "vitest";
import { noInput, RunInput } from "#iscep/runs/streams/input";

const bytes = (text: string) => Buffer.from(text);

async function textOf(input: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of input) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("what was written before and while it is read comes in order, up to the end", async () => {
  const input = new RunInput();
  input.write(bytes("one "));
  const text = textOf(input);
  input.write(bytes("two "));
  await Promise.resolve();
  input.write(bytes("three"));
  input.end();
  expect(await text).toBe("one two three");
  expect(input.receivedBytes).toBe(13);
});

test("only what the reader took is told to the door", () => {
  const input = new RunInput();
  let consumed = 0;
  input.onConsumed((count) => (consumed += count));
  input.write(bytes("1234"));
  expect(consumed).toBe(0);
  expect(Buffer.from(input.read() ?? []).toString()).toBe("1234");
  expect(consumed).toBe(4);
  input.write(bytes("56"));
  input.discard();
  expect(consumed).toBe(6);
  input.write(bytes("789"));
  expect(consumed).toBe(9);
});

test("input that broke off is an error to its reader, after what had come, and never an end", async () => {
  const input = new RunInput();
  input.write(bytes("half"));
  input.fail(new Error("gone"));
  const read: string[] = [];
  const reading = (async () => {
    for await (const chunk of input) read.push(Buffer.from(chunk).toString());
  })();
  await expect(reading).rejects.toThrow("gone");
  expect(read).toEqual(["half"]);
});

test("a reader that leaves drops the rest, and what still comes", async () => {
  const input = new RunInput();
  input.write(Buffer.alloc(2_000, "a"));
  input.write(bytes("b"));
  for await (const chunk of input) {
    expect(Buffer.from(chunk).toString()).toBe("a".repeat(2_000));
    break;
  }
  expect(input.isOver).toBe(true);
  expect(input.read()).toBeUndefined();
});

test("single bytes are put together, as an object for each would cost a hundred times as much", async () => {
  const input = new RunInput();
  const sent = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
  const read: Uint8Array[] = [];
  for (let at = 0; at < sent.length; at++) {
    input.write(sent.subarray(at, at + 1));
    // What was read stays as it is, whatever comes behind it.
    if (at % 7_000 === 6_999) read.push(input.read() ?? Buffer.alloc(0));
  }
  expect(input.unreadBytes).toBeGreaterThan(0);
  for (let chunk = input.read(); chunk !== undefined; chunk = input.read()) read.push(chunk);
  expect(read.length).toBeLessThan(20);
  expect(Buffer.concat(read).equals(sent)).toBe(true);
  expect(input.unreadBytes).toBe(0);
});

test("another door that takes over is told to the one before, and hears what is read from then on", () => {
  const input = new RunInput();
  const told: string[] = [];
  input.onConsumed(
    (count) => told.push(`first ${count}`),
    () => told.push("replaced"),
  );
  input.write(bytes("12"));
  input.onConsumed((count) => told.push(`second ${count}`));
  input.read();
  expect(told).toEqual(["replaced", "second 2"]);
});

test("without input there is nothing to read", async () => {
  expect(await textOf(noInput)).toBe("");
});
