/** The places in which notices wait are shared by owners, whatever each of them does. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { WaitingCounts } from "#iscep/notices/waiting-counts";

const most = 24;

test("one owner takes half of the places, and another one still finds some", () => {
  const counts = new WaitingCounts();
  while (counts.hasRoom("busy", most)) counts.add("busy");
  expect(counts.all).toBe(most / 2);
  expect(counts.hasRoom("schedule", most)).toBe(true);
  while (counts.hasRoom("schedule", most)) counts.add("schedule");
  expect(counts.all).toBeGreaterThan(most / 2);
  expect(counts.hasRoom("third", most)).toBe(true);
});

test("never more than all places are taken, and what leaves gives its place back", () => {
  const steps = fc.array(fc.record({ owner: fc.constantFrom("a", "b", "c"), leaves: fc.boolean() }));
  fc.assert(
    fc.property(steps, (list) => {
      const counts = new WaitingCounts();
      const waiting: string[] = [];
      for (const { owner, leaves } of list) {
        const at = waiting.indexOf(owner);
        if (leaves && at >= 0) {
          waiting.splice(at, 1);
          counts.remove(owner);
        } else if (!leaves && counts.hasRoom(owner, most)) {
          waiting.push(owner);
          counts.add(owner);
        }
        expect(counts.all).toBe(waiting.length);
        expect(counts.all).toBeLessThanOrEqual(most);
      }
      for (const owner of waiting) counts.remove(owner);
      expect(counts.all).toBe(0);
      expect(counts.hasRoom("a", 1)).toBe(true);
    }),
  );
});
