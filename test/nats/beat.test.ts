import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBeat, readBeat, type Beat } from "#iscep/nats/beat";
import { newId } from "#iscep/nats/subjects";

const beat: fc.Arbitrary<Beat> = fc.record({
  instance: fc.constant(0).map(() => newId()),
  version: fc.string({ maxLength: 20 }),
  startedAt: fc.maxSafeNat(),
  state: fc.constantFrom("ready", "full", "draining", "left"),
  running: fc.maxSafeNat(),
  waiting: fc.maxSafeNat(),
  places: fc.maxSafeNat(),
  commands: fc.maxSafeNat(),
});

test("a beat comes out as it went in, with more members too", () => {
  fc.assert(
    fc.property(
      beat,
      fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 }),
      (sent, more) => {
        expect(readBeat(encodeBeat(sent))).toEqual(sent);
        const longer = Buffer.from(JSON.stringify({ ...more, ...sent }));
        if (longer.length <= 4_096) expect(readBeat(longer)).toEqual(sent);
      },
    ),
  );
});

test("what is no beat is none, whatever it is, and throws nothing", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 5_000 }),
        fc.json().map((text) => Buffer.from(text)),
      ),
      (bytes) => {
        expect(readBeat(bytes)).toBeUndefined();
      },
    ),
  );
  const sound = { ...JSON.parse(String(encodeBeat(fc.sample(beat, 1)[0] as Beat))) } as Record<string, unknown>;
  for (const [name, wrong] of [
    ["instance", "a.b"],
    ["version", 2],
    ["state", "gone"],
    ["running", -1],
    ["waiting", 0.5],
    ["places", "8"],
    ["commands", null],
    ["startedAt", 2 ** 60],
  ])
    expect(readBeat(Buffer.from(JSON.stringify({ ...sound, [String(name)]: wrong })))).toBeUndefined();
});
