import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { defineCommand, defineScript, type ConcurrencyDefinition } from "iscep";

const args = z.object({ world: z.string(), kind: z.string().optional() });

function define(concurrency: unknown) {
  return defineCommand({ name: "back_up", args, concurrency: concurrency as ConcurrencyDefinition, run: () => 1 });
}

test("a key is made of the arguments that it names, and of no others", () => {
  const { concurrency } = define({ limit: 1, key: "{world}" });
  expect(concurrency).toMatchObject({ limit: 1, whenFull: "queue" });
  expect(concurrency?.key({ world: "end", kind: "full" })).toBe(concurrency?.key({ world: "end" }));
  expect(concurrency?.key({ world: "end" })).not.toBe(concurrency?.key({ world: "nether" }));
  expect(define({ limit: 1 }).concurrency?.key({ world: "end" })).toBe("");
  expect(define({ limit: 1, key: (given: { world: string }) => given.world[0] }).concurrency?.key({ world: "x" })).toBe(
    "x",
  );
});

test("different values never make the same key, whatever stands between them", () => {
  const { concurrency } = define({ limit: 1, key: "{world}-{kind}" });
  const pair = fc.record({ world: fc.string(), kind: fc.option(fc.string(), { nil: undefined }) });
  fc.assert(
    fc.property(pair, pair, (one, two) => {
      const same = one.world === two.world && one.kind === two.kind;
      expect(concurrency?.key(one) === concurrency?.key(two)).toBe(same);
    }),
  );
  expect(concurrency?.key({ world: "a-b", kind: "c" })).not.toBe(concurrency?.key({ world: "a", kind: "b-c" }));
});

describe("a definition that cannot be meant so is refused:", () => {
  test.each<[string, unknown, RegExp]>([
    ["no limit", {}, /limit must be a whole number from 1/],
    ["a limit of none", { limit: 0 }, /limit must be/],
    ["half a run", { limit: 1.5 }, /limit must be/],
    ["an unknown word", { limit: 1, when_full: "queue" }, /there is no "when_full"; did you mean "whenFull"/],
    ["an unknown way", { limit: 1, whenFull: "wait" }, /whenFull must be one of queue, reject, replace, join/],
    ["a queue for what does not queue", { limit: 1, whenFull: "replace", maxQueued: 1 }, /maxQueued has no meaning/],
    ["a queue of less than none", { limit: 1, maxQueued: -1 }, /maxQueued must be a whole number from 0/],
    ["a key that is the same for all", { limit: 1, key: "world" }, /names no argument/],
    ["a key of an unknown argument", { limit: 1, key: "{wrld}" }, /argument "wrld".*did you mean "world"/],
    ["a key that is neither text nor function", { limit: 1, key: 7 }, /key must be a template/],
    ["no object", 1, /must be an object/],
  ])("%s", (_what, concurrency, sentence) => {
    expect(() => define(concurrency)).toThrow(sentence);
    expect(() =>
      defineScript({
        name: "x",
        run: ["date", "{world}"],
        args: { world: { type: "string" } },
        concurrency: concurrency as ConcurrencyDefinition,
      }),
    ).toThrow(sentence);
  });
});
