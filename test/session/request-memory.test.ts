import fc from "fast-check";
import { expect, test } from "vitest";
import { RequestMemory } from "#iscep/session/request-memory";

const limits = { keepMs: 100, maxOfOne: 3, maxInAll: 5 };

test("a request counts once, and the second one gets what the first one left", () => {
  const memory = new RequestMemory<string>(limits);
  expect(memory.claim("ada", "n1", 0, () => "first")).toBeUndefined();
  expect(memory.claim("ada", "n1", 99, () => "second")).toMatchObject({ kept: "first" });
  expect(memory.claim("bob", "n1", 99, () => "of another caller")).toBeUndefined();
});

test("one caller cannot take the room of the others, and nothing is forgotten before its time", () => {
  const memory = new RequestMemory<number>(limits);
  for (let index = 0; index < 3; index++) expect(memory.claim("ada", `n${index}`, 0, () => index)).toBeUndefined();
  expect(memory.claim("ada", "n3", 0, () => 3)).toBe("full");
  expect(memory.claim("bob", "n0", 0, () => 0)).toBeUndefined();
  expect(memory.claim("ada", "n0", 50, () => 9)).toMatchObject({ kept: 0 });
  expect(memory.claim("ada", "n3", 100, () => 3)).toBeUndefined();
});

test("it is as a list without end that forgets only by time, but bounded", () => {
  const claims = fc.array(
    fc.record({
      caller: fc.constantFrom("a", "b", "c"),
      nonce: fc.constantFrom("1", "2", "3", "4"),
      waitMs: fc.nat(60),
    }),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(claims, (steps) => {
      const memory = new RequestMemory<number>(limits);
      let model: { key: string; caller: string; atMs: number; kept: number }[] = [];
      let nowMs = 0;
      for (const [index, { caller, nonce, waitMs }] of steps.entries()) {
        nowMs += waitMs;
        model = model.filter(({ atMs }) => atMs + limits.keepMs > nowMs);
        const key = `${caller} ${nonce}`;
        const earlier = model.find((one) => one.key === key);
        const isFull =
          model.length >= limits.maxInAll || model.filter((one) => one.caller === caller).length >= limits.maxOfOne;
        const answer = memory.claim(caller, nonce, nowMs, () => index);
        if (earlier !== undefined) expect(answer).toMatchObject({ kept: earlier.kept });
        else if (isFull) expect(answer).toBe("full");
        else {
          expect(answer).toBeUndefined();
          model.push({ key, caller, atMs: nowMs, kept: index });
        }
        expect(memory.size).toBe(model.length);
      }
    }),
  );
});
